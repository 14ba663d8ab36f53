//! What PROPFIND answers (RFC 4918, 13 and 14).
//!
//! The document is hostile: it is read from a buffer of bounded length by a parser that expands no entities of its own
//! making, and gives texts that are checked by whoever uses them.

use jiff::Timestamp;
use serde::Deserialize;

use super::get::time;

/// What is asked for.
pub(super) const PROPERTIES: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/><D:getlastmodified/></D:prop></D:propfind>"#;

/// One file or folder of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is, as the server tells.
    pub(super) href: String,
    pub(super) is_folder: bool,
    /// In bytes.
    pub(super) size: Option<u64>,
    pub(super) modified: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Multistatus {
    #[serde(default)]
    response: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    href: String,
    #[serde(default)]
    propstat: Vec<Propstat>,
}

#[derive(Deserialize)]
struct Propstat {
    #[serde(default)]
    prop: Prop,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize, Default)]
struct Prop {
    resourcetype: Option<ResourceType>,
    getcontentlength: Option<String>,
    getlastmodified: Option<String>,
}

#[derive(Deserialize)]
struct ResourceType {
    collection: Option<Collection>,
}

#[derive(Deserialize)]
struct Collection {}

/// Reads an answer.
pub(super) fn parse(xml: &str) -> Result<Vec<Entry>, quick_xml::DeError> {
    let answer: Multistatus = quick_xml::de::from_str(xml)?;
    Ok(answer.response.into_iter().map(entry).collect())
}

fn entry(response: Response) -> Entry {
    let mut entry = Entry { href: response.href, is_folder: false, size: None, modified: None };
    for propstat in response.propstat {
        // `HTTP/1.1 200 OK`: what is not there has a propstat of its own.
        if propstat.status.split_whitespace().nth(1).is_some_and(|status| status.starts_with('2')) {
            let prop = propstat.prop;
            entry.is_folder |= prop.resourcetype.is_some_and(|kind| kind.collection.is_some());
            entry.size = entry.size.or(prop.getcontentlength.and_then(|size| size.trim().parse().ok()));
            entry.modified = entry.modified.or(prop.getlastmodified.as_deref().and_then(time));
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_nginx_rclone_and_apache() {
        let nginx = r#"<?xml version="1.0" encoding="utf-8" ?>
<D:multistatus xmlns:D="DAV:">
<D:response>
<D:href>/c/</D:href>
<D:propstat>
<D:prop>
<D:displayname>c</D:displayname>
<D:getlastmodified>Mon, 23 Nov 2026 17:56:41 GMT</D:getlastmodified>
<D:resourcetype><D:collection/></D:resourcetype>
<D:lockdiscovery/>
<D:supportedlock>
</D:supportedlock>
</D:prop>
<D:status>HTTP/1.1 200 OK</D:status>
</D:propstat>
</D:response>
<D:response>
<D:href>/c/a%26b</D:href>
<D:propstat>
<D:prop>
<D:getcontentlength>3000000</D:getcontentlength>
<D:getlastmodified>Mon, 23 Nov 2026 17:56:41 GMT</D:getlastmodified>
<D:resourcetype></D:resourcetype>
</D:prop>
<D:status>HTTP/1.1 200 OK</D:status>
</D:propstat>
</D:response>
</D:multistatus>"#;
        let modified = Some("2026-11-23T17:56:41Z".parse().unwrap());
        let folder = Entry { href: "/c/".into(), is_folder: true, size: None, modified };
        let file = Entry { href: "/c/a%26b".into(), is_folder: false, size: Some(3_000_000), modified };
        assert_eq!(parse(nginx).unwrap(), [folder.clone(), file]);

        let rclone = r#"<?xml version="1.0" encoding="UTF-8"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>/c/</D:href><D:propstat><D:prop><D:getlastmodified>Mon, 23 Nov 2026 17:56:41 GMT</D:getlastmodified><D:resourcetype><D:collection xmlns:D="DAV:"/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:getcontentlength></D:getcontentlength></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response></D:multistatus>"#;
        assert_eq!(parse(rclone).unwrap(), [folder]);

        let apache = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:lp2="http://apache.org/dav/props/">
<D:href>/a&amp;b</D:href>
<D:propstat><D:prop>
<lp1:resourcetype/>
<lp1:getcontentlength>0</lp1:getcontentlength>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response></D:multistatus>"#;
        let empty = Entry { href: "/a&b".into(), is_folder: false, size: Some(0), modified: None };
        assert_eq!(parse(apache).unwrap(), [empty]);
    }

    #[test]
    fn hostile_answers() {
        for xml in ["", "<html>", "<multistatus><response></response></multistatus>", "{}", "<multistatus>"] {
            assert!(parse(xml).is_err(), "{xml}");
        }
        let bomb = r#"<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<multistatus><response><href>&b;</href></response></multistatus>"#;
        assert!(parse(bomb).is_err(), "no entity of the document's own is expanded");
        let deep = format!("<multistatus>{}{}</multistatus>", "<a>".repeat(200_000), "</a>".repeat(200_000));
        assert_eq!(parse(&deep).unwrap(), []);
        let odd = "<multistatus><response><href>/x</href><propstat><prop><getcontentlength>-1</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
        assert_eq!(parse(odd).unwrap().len(), 1);
        assert_eq!(parse(odd).unwrap().first().unwrap().size, None);
    }
}
