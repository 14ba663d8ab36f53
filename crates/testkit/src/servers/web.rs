//! Web servers that take files: nginx, Apache, rclone.

use std::path::Path;
use std::process::Command;

use super::{Served, is_root, program, settings};
use crate::skip;

/// The module of nginx that lists folders for WebDAV.
const DAV_EXT: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

/// The modules of Apache.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

/// Whom nginx asks for.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// The user's name.
    pub user: &'static str,
    /// The password.
    pub password: &'static str,
}

/// nginx as it comes, which takes PUT and nothing else, and doesn't list. Its files are in `files` of its folder.
///
/// # Panics
/// When it doesn't start.
pub fn nginx_plain(login: Option<Login>) -> Option<Served> {
    nginx("", "dav_methods PUT; create_full_put_path on;", login)
}

/// nginx that takes PUT only into folders that are there, and makes none.
///
/// # Panics
/// When it doesn't start.
pub fn nginx_without_folders() -> Option<Served> {
    nginx("", "dav_methods PUT;", None)
}

/// nginx with the module that makes it a WebDAV server.
///
/// # Panics
/// When it doesn't start.
pub fn nginx_dav() -> Option<Served> {
    if !Path::new(DAV_EXT).is_file() {
        skip::skipped("not installed: nginx's module dav-ext (make setup installs it)");
        return None;
    }
    let methods = "dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;";
    nginx(&format!("load_module {DAV_EXT};"), methods, None)
}

fn nginx(modules: &str, dav: &str, login: Option<Login>) -> Option<Served> {
    let nginx = program("nginx")?;
    let user = if is_root() { "user root;" } else { "" };
    Some(Served::start(|folder, port| {
        let top = folder.display();
        let login = login.map_or_else(String::new, |Login { user, password }| {
            std::fs::write(folder.join("users"), format!("{user}:{{PLAIN}}{password}\n")).expect("users");
            format!("auth_basic x; auth_basic_user_file {top}/users;")
        });
        for name in ["files", "temporary"] {
            std::fs::create_dir(folder.join(name)).expect("a folder of the server");
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {top}/temporary;"))
            .concat();
        let text = format!(
            "{modules} {user} daemon off; pid {top}/pid; error_log {top}/errors; worker_processes 1;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log {top}/requests; client_max_body_size 0; {temporary}\n\
             server {{ listen 127.0.0.1:{port}; root {top}/files; location / {{ {dav} {login} }} }} }}\n"
        );
        let mut command = Command::new(nginx);
        command.arg("-e").arg(folder.join("errors")).arg("-c").arg(settings(folder, &text));
        command
    }))
}

/// Apache with mod_dav.
///
/// # Panics
/// When it doesn't start.
pub fn apache() -> Option<Served> {
    let apache = program("apache2")?;
    Some(Served::start(|folder, port| {
        let top = folder.display();
        std::fs::create_dir(folder.join("files")).expect("a folder of the server");
        let modules = ["mpm_event", "authz_core", "dav", "dav_fs"]
            .map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"))
            .concat();
        let user = if is_root() { "User www-data\nGroup www-data\n" } else { "" };
        if is_root() {
            // Apache refuses to work as root: its user gets what it needs.
            let chown = Command::new("chown").args(["-R", "www-data:www-data"]).arg(folder).status();
            assert!(chown.expect("chown").success());
        }
        let text = format!(
            "{modules}{user}ServerName localhost\nServerRoot {top}\nPidFile {top}/pid\nErrorLog {top}/errors\n\
             Listen 127.0.0.1:{port}\nDocumentRoot {top}/files\nDavLockDB {top}/locks\nLimitRequestBody 0\n\
             AllowEncodedSlashes NoDecode\n<Directory {top}/files>\nDav On\nRequire all granted\n</Directory>\n"
        );
        let mut command = Command::new(apache);
        command.arg("-DFOREGROUND").arg("-f").arg(settings(folder, &text));
        command
    }))
}

/// `rclone serve webdav` of a folder.
///
/// # Panics
/// When it doesn't start.
pub fn rclone() -> Option<Served> {
    let rclone = program("rclone")?;
    Some(Served::start(|folder, port| {
        let files = folder.join("files");
        std::fs::create_dir(&files).expect("a folder of the server");
        let mut command = Command::new(rclone);
        command.args(["serve", "webdav", "--addr"]).arg(format!("127.0.0.1:{port}"));
        // What another request has just written is seen at once.
        command.args(["--dir-cache-time", "0s", "--config", "/dev/null"]).arg(files);
        command
    }))
}
