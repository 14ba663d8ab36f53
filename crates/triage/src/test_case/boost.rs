//! Boost.Test: a test is a class, `suite::name`, whose method `test_method` is called by the function
//! `suite::name_invoker` (boost/test/unit_test_suite.hpp). The compiler may have inlined the one into the other. Suites
//! are namespaces.

use epitaph_summary::{TestCase, Thread};

use super::{Scene, Source, function, test_case};

const NAME: &str = "boost-test";

/// Finds the test whose code a thread runs.
pub(super) fn find(_: &Scene<'_>, thread: &Thread) -> Option<TestCase> {
    let frames = &thread.frames;
    let outer = frames.iter().position(|frame| function(frame).starts_with("boost::unit_test::"))?;
    let name = frames.iter().take(outer).rev().find_map(|frame| name_of(function(frame)))?;
    test_case(NAME, Source::Frames, &name)
}

/// Returns the path of the test that a function is the body of, as Boost prints it.
fn name_of(function: &str) -> Option<String> {
    let path = function.strip_suffix("::test_method").or_else(|| function.strip_suffix("_invoker"))?;
    if path.starts_with("boost::") {
        return None;
    }
    // A test of a type is `name<type>`: what is between the brackets is no path.
    let (path, types) = path.find('<').map_or((path, ""), |start| path.split_at(start));
    let parts: Vec<&str> = path.split("::").filter(|part| *part != "(anonymous namespace)").collect();
    Some(parts.join("/") + types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_folders() {
        assert_eq!(name_of("cart::pays::test_method").as_deref(), Some("cart/pays"));
        assert_eq!(name_of("cart::pays_invoker").as_deref(), Some("cart/pays"));
        assert_eq!(name_of("holds<std::string>::test_method").as_deref(), Some("holds<std::string>"));
        assert_eq!(name_of("boost::detail::function::function_obj_invoker"), None);
        assert_eq!(name_of("main"), None);
    }
}
