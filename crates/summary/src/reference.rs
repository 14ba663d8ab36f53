//! The JSON schema for people: `schema/crash-summary.v1.md`, field by field, made of the schema itself.

use std::fmt::Write as _;

use serde_json::Value;

/// Writes the reference of a schema: the object itself, then what it is made of, by name.
fn reference(schema: &Value) -> String {
    let mut out = String::from(
        "# The crash summary, field by field\n\n\
         Generated from the types of this crate, as the JSON schema beside it. Fields that are not *always* there may be \
         absent, and a reader ignores those that it doesn't know.\n",
    );
    section(&mut out, "CrashSummary", schema);
    for (name, part) in schema["$defs"].as_object().into_iter().flatten() {
        section(&mut out, name, part);
    }
    out
}

fn section(out: &mut String, name: &str, part: &Value) {
    let about = paragraph(&part["description"]);
    let _ = write!(out, "\n## {name}\n\n{about}{}", if about.is_empty() { "" } else { "\n" });
    if let Some(pattern) = part["pattern"].as_str() {
        let _ = writeln!(out, "A string: `{pattern}`");
    }
    if let Some(fields) = part["properties"].as_object() {
        out.push_str("\n| field | type | |\n|---|---|---|\n");
        let required: Vec<&str> =
            part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, value) in fields {
            let always = if required.contains(&field.as_str()) { "*Always.* " } else { "" };
            let about = paragraph(&value["description"]).replace('|', "\\|");
            let _ = writeln!(out, "| `{field}` | {} | {always}{about} |", kind(value));
        }
    }
    if let Some(variants) = part["oneOf"].as_array() {
        out.push_str("\n| value | |\n|---|---|\n");
        for variant in variants {
            let about = paragraph(&variant["description"]).replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {about} |", variant["const"].as_str().unwrap_or_default());
        }
    }
}

/// Says of which type a field is, with a link where that has a section.
fn kind(value: &Value) -> String {
    if let Some(name) = value["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = value["anyOf"].as_array() {
        let known: Vec<String> = choices.iter().filter(|choice| choice["type"] != "null").map(kind).collect();
        return known.join(" or ");
    }
    let names: Vec<&str> = match &value["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => Vec::new(),
    };
    match names.as_slice() {
        ["array"] => format!("list of {}", kind(&value["items"])),
        ["object"] => format!("object of {}", kind(&value["additionalProperties"])),
        names => names.join(" or "),
    }
}

/// Returns a description as one line; a paragraph's end becomes a line break.
fn paragraph(description: &Value) -> String {
    let text = description.as_str().unwrap_or_default();
    text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("<br>")
}

/// The committed reference is the generated one, and says something of every field. `UPDATE_SCHEMA=1` rewrites it.
#[test]
fn the_committed_reference_is_current_and_complete() {
    let schema = serde_json::to_value(crate::json_schema()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/crash-summary.v1.md");
    let generated = reference(&schema);
    for line in generated.lines().filter(|line| line.starts_with("| `")) {
        assert!(!line.ends_with("|  |"), "nothing is said of this: {line}");
        assert!(!line.contains("| |") && !line.contains("||"), "its type isn't told: {line}");
    }
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == generated, "{path} is stale: run the tests once with UPDATE_SCHEMA=1");
}
