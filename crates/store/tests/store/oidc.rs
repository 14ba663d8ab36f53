//! Keys for an S3 store in exchange for a job's OpenID Connect token, from a stand-in of AWS's Security Token Service. It
//! answers as the service's API reference (2011-06-15) shows; the token is nowhere but in that one request.

use std::sync::atomic::{AtomicUsize, Ordering};

use epitaph_store::{OidcToken, Selection, Store, StoreError, StoreOptions, Token};
use epitaph_testkit::server::{Reply, Request, Server};
use url::form_urlencoded;

use crate::objects::{options, push_options};
use crate::support::s3::S3;
use crate::support::{Log, write};

const JWT: &str = "eyJhbGciOi.J0b3A+c2VjcmV0/Pz8.c2lnbmVk==";

/// The service's answer to who may have keys, valid until a time.
fn granted(expires: &str) -> Reply {
    Reply::new(
        200,
        format!(
            r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>org/1/project/2</SubjectFromWebIdentityToken>
    <Audience>client.5498841531868486423.1548@apps.example.com</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/push/epitaph</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE</SessionToken>
      <SecretAccessKey>hush</SecretAccessKey>
      <Expiration>{expires}</Expiration>
      <AccessKeyId>access</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#
        ),
    )
}

fn refused(status: u16, code: &str) -> Reply {
    let text = format!(
        r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{JWT} is not welcome</Message></Error>
  <RequestId>4a4f1f80-EXAMPLE</RequestId>
</ErrorResponse>"#
    );
    Reply::new(status, text)
}

/// The settings of a job that has a role and no keys.
fn job(s3: &S3, sts: &str, token: OidcToken) -> StoreOptions {
    let mut variables = s3.variables();
    variables.retain(|(name, _)| !name.contains("KEY"));
    for (name, value) in
        [("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/push"), ("AWS_ENDPOINT_URL_STS", sts)]
    {
        variables.push((name.to_owned(), value.to_owned()));
    }
    StoreOptions { oidc: Some(token), ..options(variables) }
}

fn ready() -> OidcToken {
    OidcToken::Ready(Token::new(&format!("{JWT}\n")).unwrap())
}

fn field(request: &Request, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(&request.body);
    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

#[test]
fn a_job_pushes_by_its_token_alone() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    let failures = AtomicUsize::new(0);
    let sts = Server::start(move |_| match failures.fetch_add(1, Ordering::SeqCst) {
        0 => refused(503, "ServiceUnavailable"),
        _ => granted("2099-01-01T00:00:00Z"),
    });
    write(&dir.path().join("out/crashes/x1/summary.json"), r#"{"time":"2026-11-22T10:00:00Z"}"#);
    write(&dir.path().join("out/core"), "core");
    let store = Store::open_with("s3://crashes/fleet", &job(&s3, &sts.url(), ready())).unwrap();
    let pushed = store.push(&[dir.path().join("out")], &push_options(), &Log::default()).unwrap();
    assert!(pushed.failed.is_empty(), "{pushed:?}");
    assert_eq!(store.ls(&Selection::default()).unwrap().runs[0].artifacts.len(), 2);

    let requests = sts.requests();
    assert_eq!(requests.len(), 2, "one attempt failed, and the keys of the other are still good");
    let asked = &requests[1];
    assert_eq!(asked.path, "/");
    assert_eq!(field(asked, "Action").as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!(field(asked, "Version").as_deref(), Some("2011-06-15"));
    assert_eq!(field(asked, "RoleArn").as_deref(), Some("arn:aws:iam::123456789012:role/push"));
    assert_eq!(field(asked, "RoleSessionName").as_deref(), Some("epitaph"));
    assert_eq!(field(asked, "WebIdentityToken").as_deref(), Some(JWT), "without the end of its line");
    assert!(!format!("{store:?}").contains("c2VjcmV0"));
}

#[test]
fn keys_that_expire_are_renewed() {
    let s3 = S3::start();
    let sts = Server::start(|_| granted("2026-01-01T00:00:00Z"));
    let store = Store::open_with("s3://crashes/fleet", &job(&s3, &sts.url(), ready())).unwrap();
    for _ in 0..2 {
        store.ls(&Selection::default()).unwrap();
    }
    assert!(sts.requests().len() >= 2, "{:?}", sts.requests());
}

#[test]
fn github_is_asked_for_a_token() {
    let s3 = S3::start();
    let sts = Server::start(|_| granted("2099-01-01T00:00:00Z"));
    let github = Server::start(|_| Reply::new(200, format!(r#"{{"count":1,"value":"{JWT}"}}"#)));
    let url = format!("{}/idtoken/1?api-version=2.0", github.url());
    let token = OidcToken::GitHub { url, token: Token::new("of-the-runner").unwrap() };
    let store = Store::open_with("s3://crashes/fleet", &job(&s3, &sts.url(), token)).unwrap();
    store.ls(&Selection::default()).unwrap();
    let asked = &github.requests()[0];
    assert_eq!(asked.path, "/idtoken/1?api-version=2.0&audience=sts.amazonaws.com");
    assert_eq!(asked.header("authorization"), Some("Bearer of-the-runner"));
    let exchange = &sts.requests()[0];
    assert_eq!(exchange.header("authorization"), None);
    assert_eq!(field(exchange, "WebIdentityToken").as_deref(), Some(JWT));
}

#[test]
fn a_refusal_names_its_code_and_no_token() {
    let s3 = S3::start();
    for (reply, expected) in [
        (refused(403, "AccessDenied"), "AccessDenied"),
        (refused(400, "ExpiredTokenException"), "ExpiredTokenException"),
        (refused(400, JWT), "it answered 400"),
        (Reply::new(200, JWT), "can't be understood"),
    ] {
        let sts = Server::start(move |_| reply.clone());
        let store = Store::open_with("s3://crashes/fleet", &job(&s3, &sts.url(), ready())).unwrap();
        let error = store.ls(&Selection::default()).unwrap_err();
        assert!(matches!(error, StoreError::NotTrusted { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().unwrap().contains("AWS_ROLE_ARN"));
        assert!(!format!("{error}{error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}

#[test]
fn a_token_goes_nowhere_without_tls_and_to_no_other_store() {
    let s3 = S3::start();
    let open = |url: &str, sts: &str| Store::open_with(url, &job(&s3, sts, ready())).unwrap_err().to_string();
    assert!(open("s3://crashes/fleet", "http://sts.example").contains("not one of https"));
    assert!(open("gs://crashes/fleet", "https://sts.example").contains("s3:// alone"));
    let mut roleless = job(&s3, "https://sts.example", ready());
    roleless.cloud = epitaph_store::CloudSettings::from_variables(s3.variables());
    let error = Store::open_with("s3://crashes/fleet", &roleless).unwrap_err();
    assert!(error.to_string().contains("AWS_ROLE_ARN"), "{error}");
}
