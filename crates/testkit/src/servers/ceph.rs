//! A Ceph cluster on loopback, just big enough for its S3 server: a monitor, a memory store, radosgw.

use std::path::Path;
use std::process::Command;

use super::objects::run;
use super::{Served, free_port, program, spawn};

/// The access key and the secret of the only user.
pub(super) const KEYS: (&str, &str) = ("access", "secret");

/// The programs of the cluster, and those that set it up.
const PROGRAMS: [&str; 7] =
    ["ceph-authtool", "monmaptool", "ceph-mon", "ceph", "ceph-osd", "radosgw", "radosgw-admin"];

/// Any will do for a cluster that nobody else knows.
const CLUSTER: &str = "2f8a1b52-5f6c-4f6e-9d8d-0a6f2b7c1e01";
const STORE: &str = "5d0c7a3e-93a4-4c52-8a0e-6f1f0c3b7a02";

/// Starts the cluster; it needs no root.
pub(super) fn radosgw() -> Option<Served> {
    for name in PROGRAMS {
        program(name)?;
    }
    let folder = tempfile::tempdir().expect("a folder for a cluster");
    let (monitor, port) = ([free_port(), free_port()], free_port());
    let mut served = Served { children: Vec::new(), folder, port };
    let here = served.folder().to_owned();
    for name in ["monitor", "store"] {
        std::fs::create_dir(here.join(name)).expect("a folder of the cluster");
    }
    std::fs::write(here.join("settings"), settings(&here, monitor, port)).expect("the cluster's settings");
    keys(&here);

    let map = here.join("map");
    let addresses = addresses(monitor);
    let mut monmap = command(&here, "monmaptool");
    run(monmap.args(["--create", "--fsid", CLUSTER, "--addv", "a", &addresses]).arg(&map));
    let keyring = here.join("keyring");
    let mut mkfs = command(&here, "ceph-mon");
    run(mkfs.args(["--mkfs", "-i", "a", "--monmap"]).arg(map).arg("--keyring").arg(keyring));
    let messages = here.join("messages");
    let start = |served: &mut Served, name, arguments: &[&str]| {
        let mut server = command(&here, name);
        server.arg("-f").args(arguments);
        served.children.push(spawn(server, &messages));
    };
    start(&mut served, "ceph-mon", &["-i", "a"]);
    // Waits for the monitor.
    run(command(&here, "ceph").args(["--connect-timeout", "60", "osd", "new", STORE]));
    run(command(&here, "ceph-osd").args(["-i", "0", "--mkfs", "--osd-uuid", STORE]));
    start(&mut served, "ceph-osd", &["-i", "0"]);
    start(&mut served, "radosgw", &["-n", "client.rgw.x"]);
    served.wait();
    let (access, secret) = KEYS;
    let mut user = command(&here, "radosgw-admin");
    run(user.args(["user", "create", "--uid", "tests", "--display-name", "tests"]).args([
        "--access-key",
        access,
        "--secret-key",
        secret,
    ]));
    Some(served)
}

/// A program that belongs to this cluster.
fn command(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(program(name).expect("looked for before"));
    command.env("CEPH_CONF", folder.join("settings"));
    command
}

/// A secret for each part: radosgw hangs where the parts of a cluster don't ask for them.
fn keys(folder: &Path) {
    let keyring = folder.join("keyring");
    let mut first = command(folder, "ceph-authtool");
    run(first.arg("--create-keyring").arg(&keyring).args([
        "--gen-key",
        "-n",
        "mon.",
        "--cap",
        "mon",
        "allow *",
    ]));
    for name in ["client.admin", "client.rgw.x", "osd.0"] {
        let mut next = command(folder, "ceph-authtool");
        next.arg(&keyring).args(["--gen-key", "-n", name]);
        for server in ["mon", "osd", "mgr"] {
            next.args(["--cap", server, "allow *"]);
        }
        run(&mut next);
    }
}

fn addresses([new, old]: [u16; 2]) -> String {
    format!("[v2:127.0.0.1:{new},v1:127.0.0.1:{old}]")
}

/// One copy of everything, in memory, of which nothing is kept that was deleted; and no sockets for administrators, whose
/// paths may get too long.
fn settings(folder: &Path, monitor: [u16; 2], port: u16) -> String {
    let (top, addresses) = (folder.display(), addresses(monitor));
    format!(
        "[global]\nfsid = {CLUSTER}\nmon host = {addresses}\nkeyring = {top}/keyring\nadmin socket =\n\
         run dir = {top}\nlog file = {top}/log-$name\npid file = {top}/pid-$name\n\
         mon data = {top}/monitor\nmon data avail crit = 1\nmon allow pool size one = true\n\
         osd data = {top}/store\nosd objectstore = memstore\nmemstore device bytes = 8589934592\n\
         osd pool default size = 1\nosd pool default min size = 1\nosd crush chooseleaf type = 0\n\
         osd pool default pg num = 1\nosd pool default pgp num = 1\n\
         rgw frontends = beast endpoint=127.0.0.1:{port}\nrgw enable usage log = false\n\
         rgw gc obj min wait = 1\nrgw gc processor period = 2\nrgw gc processor max time = 2\n"
    )
}
