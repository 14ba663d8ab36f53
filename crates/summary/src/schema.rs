//! The JSON schema, generated from the types.

use schemars::Schema;

use crate::model::CrashSummary;

/// Returns the JSON schema of [`CrashSummary`]; the committed copy is `schema/crash-summary.v1.json`.
pub fn json_schema() -> Schema {
    schemars::schema_for!(CrashSummary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed schema is the generated one. `UPDATE_SCHEMA=1` rewrites it.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/crash-summary.v1.json");
        let generated = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == generated, "{path} is stale: run the tests once with UPDATE_SCHEMA=1");
    }

    /// A reader of version 1 ignores what it doesn't know, in objects and in enumerations alike.
    #[test]
    fn a_newer_writer_is_read() {
        let newer = r#"{"schema":"epitaph-crash/1","tool":{"name":"epitaph","version":"9.9.9","x":1},"future":{"a":[1]},
            "threads":[{"tid":7,"crashed":true,"stop":"teleported","frames":[{"pc":"0x10","trust":"oracle","mood":"sad"}]}]}"#;
        let summary: CrashSummary = serde_json::from_str(newer).unwrap();
        assert_eq!(summary.threads[0].tid, Some(7));
        assert_eq!(summary.threads[0].stop, Some(crate::Stop::Unknown));
    }
}
