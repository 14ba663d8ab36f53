//! Names of functions, freed from what differs from build to build, from compiler to compiler, and from one instance of
//! a template to another.
//!
//! [`normalize`] knows how C++, Rust, Go and C write a function once it is demangled. It is *not* a demangler, and what it
//! doesn't understand it leaves as it is.

mod brackets;
mod operator;
mod path;
mod plain;
mod suffix;

/// Most times that a name is gone through.
const MOST_PASSES: usize = 16;

/// Returns a name without arguments, return type, qualifiers, template arguments (`<T>`), numbers of closures and
/// unnamed things (`{closure}`), hashes, ABI tags, versions, and what compilers and libraries add to the names of copies
/// and parts of functions. What it returns for a name it returns for the result too. Takes time in proportion to the
/// name's length.
///
/// ```
/// use epitaph_summary::normalize;
///
/// assert_eq!(normalize("int (anonymous namespace)::A::go<int>(int) const"), "(anonymous namespace)::A::go<T>");
/// assert_eq!(normalize("<bank::Account as bank::Pay>::pay::{closure#0}"), "<bank::Account as bank::Pay>::pay::{closure}");
/// assert_eq!(normalize("main.(*Shop).Sell.func1.2"), "main.(*Shop).Sell.{closure}");
/// assert_eq!(normalize("__memmove_avx_unaligned_erms"), "memmove");
/// ```
pub fn normalize(name: &str) -> String {
    let mut name = normalized_once(name);
    // What was taken off may have hidden more of the kind. Real names have no such thing twice.
    for _ in 0..MOST_PASSES {
        let next = normalized_once(&name);
        if next == name {
            break;
        }
        name = next;
    }
    name
}

fn normalized_once(name: &str) -> String {
    let name = name.trim();
    let whole =
        if plain::is_plain(name) { plain::unversioned(name).to_owned() } else { path::shortened(name) };
    let name = suffix::stripped(&whole);
    let name = if plain::is_plain(&name) { plain::shortened(&name).to_owned() } else { name };
    if name.is_empty() { whole } else { name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(cases: &[(&str, &str)]) {
        for (name, expected) in cases {
            assert_eq!(normalize(name), *expected, "{name}");
            assert_eq!(normalize(expected), *expected, "a second time: {name}");
        }
    }

    #[test]
    fn cxx_loses_arguments_and_types() {
        check(&[
            ("main", "main"),
            ("bank::Account::withdraw(long)", "bank::Account::withdraw"),
            ("std::vector<int, std::allocator<int> > mk<int>(int)", "mk<T>"),
            ("int (anonymous namespace)::A::go<int>(int) const", "(anonymous namespace)::A::go<T>"),
            ("unsigned long f<(Kind)3>(char const*, ...)", "f<T>"),
            ("a<(1>2), b<c>>::f(std::map<int, x>)", "a<T>::f"),
            ("B::B(int)", "B::B"),
            ("B::~B()", "B::~B"),
            ("Widget::name[abi:cxx11]() const", "Widget::name"),
            ("non-virtual thunk to Widget::draw(int)", "Widget::draw"),
            ("decltype (x.f()) call<X>(X&&) &&", "call<T>"),
            ("char const* const& pick<0ul>(int)", "pick<T>"),
            ("f(void (*)(int))", "f"),
        ]);
    }

    #[test]
    fn operators_are_no_brackets() {
        check(&[
            ("(anonymous namespace)::A::operator bool() const", "(anonymous namespace)::A::operator bool"),
            ("A::operator<(A const&) const", "A::operator<"),
            ("A::operator< <int>(A const&) const", "A::operator<<T>"),
            ("std::ostream& operator<<(std::ostream&, A const&)", "operator<<"),
            ("A::operator<=>(A const&)", "A::operator<=>"),
            ("A::operator->() const", "A::operator->"),
            ("A::operator()(int) const", "A::operator()"),
            ("A::operator()<int>(int) const", "A::operator()<T>"),
            ("void* operator new(unsigned long)", "operator new"),
            ("operator delete[](void*)", "operator delete[]"),
            ("A::operator[](int)", "A::operator[]"),
            ("A::operator std::vector<int>() const", "A::operator std::vector<T>"),
            ("A::operator char const*()", "A::operator char const*"),
            ("units::operator\"\" _km(long double)", "units::operator\"\"_km"),
            ("operators::run(int)", "operators::run"),
        ]);
    }

    #[test]
    fn closures_have_no_numbers() {
        check(&[
            ("main::{lambda(int)#1}::operator()(int) const", "main::{closure}"),
            ("main::$_0::operator()(int) const", "main::{closure}"),
            (
                "B::st(std::string)::{lambda(int)#1}::operator()(int) const::{lambda()#2}::operator()() const",
                "B::st::{closure}",
            ),
            ("main::{lambda}::_FUN", "main::{closure}"),
            ("<lambda(int)>::operator()", "{closure}"),
            ("app::run::{{closure}}", "app::run::{closure}"),
            ("app::run::{closure#3}::{closure#0}", "app::run::{closure}"),
            ("app::{impl#2}::run", "app::{impl}::run"),
            ("main.f.func1", "main.f.{closure}"),
            ("main.(*Shop).Sell.func1.2", "main.(*Shop).Sell.{closure}"),
            ("main.(*Shop).Sell-fm", "main.(*Shop).Sell"),
            ("main.main.gowrap1", "main.main.{closure}"),
            ("main.glob..func3", "main.glob..{closure}"),
        ]);
    }

    #[test]
    fn rust_paths_lose_hashes_and_instances() {
        check(&[
            ("app::parse::h0123456789abcdef", "app::parse"),
            ("app[1f2e3d4c5b6a7988]::parse::<u32>", "app::parse"),
            ("<bank::Account as bank::Pay>::pay", "<bank::Account as bank::Pay>::pay"),
            (
                "<bank::List<u32> as core::iter::Iterator>::next",
                "<bank::List<T> as core::iter::Iterator>::next",
            ),
            ("<core::option::Option<u32>>::unwrap", "core::option::Option<T>::unwrap"),
            ("core::slice::<impl [T]>::get::<usize>", "core::slice::<impl [T]>::get"),
            ("<&mut dyn app::Run as app::Go>::go", "<app::Run as app::Go>::go"),
            ("core::ptr::drop_in_place::<alloc::boxed::Box<dyn core::any::Any>>", "core::ptr::drop_in_place"),
            ("<fn(i32) -> i32 as app::Go>::go", "<i32 as app::Go>::go"),
            ("<<a::B as c::D>::E as f::G>::h", "<<a::B as c::D>::E as f::G>::h"),
        ]);
    }

    #[test]
    fn copies_and_parts_bear_the_name_of_the_whole() {
        check(&[
            ("foo.cold", "foo"),
            ("foo.part.0.isra.3.constprop.1", "foo"),
            ("foo.llvm.1234567890", "foo"),
            ("foo.lto_priv.0", "foo"),
            ("foo(int) [clone .cold]", "foo"),
            ("foo(int) [clone .part.0] [clone .isra.1]", "foo"),
            ("foo(int) (.cold.3)", "foo"),
            ("app::parse.cold", "app::parse"),
            ("main._omp_fn.0", "main._omp_fn"),
            ("puts@@GLIBC_2.2.5", "puts"),
            ("puts@plt", "puts"),
            ("anonymous namespace.0@", "namespace"),
            ("__memcpy.0_avx", "memcpy"),
            ("__GI_abort", "abort"),
            ("__GI___libc_free", "__libc_free"),
            ("___pthread_cond_wait", "pthread_cond_wait"),
            ("__strlen_avx2_rtm", "strlen"),
            ("__memcpy_ssse3_back", "memcpy"),
            ("__memcpy_chk", "__memcpy_chk"),
            ("__strncpy_sse2_unaligned", "strncpy"),
            ("main.(*List[go.shape.int]).Push", "main.(*List[T]).Push"),
            ("main.Map[...].func1", "main.Map[T].{closure}"),
        ]);
    }

    #[test]
    fn what_has_no_name_in_it_is_left_as_it_is() {
        for name in
            ["<", ">", "(", "operator", "::", "___", ".cold", "a<b", "}{", "@", "<signal handler called>x<"]
        {
            let once = normalize(name);
            assert!(!once.is_empty(), "{name}");
            assert_eq!(normalize(&once), once, "{name}");
        }
        assert_eq!(normalize(""), "");
    }

    #[test]
    fn hostile_names_take_no_longer_than_their_length_asks_for() {
        let start = std::time::Instant::now();
        for unit in [
            "<",
            "<a as ",
            "(",
            "a::<",
            "operator<",
            "{",
            "[",
            "a (",
            "<>)",
            ".cold",
            "<(",
            " const",
            "___GI_",
        ] {
            let long = unit.repeat(40_000 / unit.len());
            normalize(&long);
            let closed = ">".repeat(long.matches('<').count());
            normalize(&format!("{long}x{closed}"));
        }
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn twice_is_once(
            name in r#"(::|<|>|\(|\)|\{|\}|\[|\]| |operator|~|->|const|&|\*|a|bc|T|lambda|impl | as |anonymous namespace|abi:|clone |\.|cold|func|0|1|_|__GI_|\$_|#|,|@|-fm|avx|mem|h0123456789abcdef|new|"|ä){0,12}"#
        ) {
            let once = normalize(&name);
            prop_assert_eq!(normalize(&once), once, "of {}", name);
        }

        #[test]
        fn any_text_is_taken(name in ".{0,60}") {
            normalize(&name);
        }
    }
}
