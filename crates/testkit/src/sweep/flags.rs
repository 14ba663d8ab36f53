//! The flags of C and C++ compilers that code and debug information depend on.

use super::recipe::Family;
use crate::chance::Chance;

/// Draws flags that go together.
pub(super) fn draw(chance: &mut Chance, family: Family) -> Vec<&'static str> {
    let gcc = family == Family::Gcc;
    let mut flags = vec!["-w"];
    flags.push(chance.pick(&["-O0", "-O1", "-O2", "-O2", "-O3", "-Os", "-Og"]));
    flags.push(chance.pick(&["-g", "-g", "-g", "-g", "-g1", "-g3", "-g0"]));
    if !flags.contains(&"-g0") {
        let dwarf =
            ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-4", "-gdwarf-5", "-gdwarf-5", "-gdwarf-5"];
        flags.push(chance.pick(&dwarf));
    }
    let mut maybe = |flag: &'static str, times: usize| {
        if chance.one_in(times) {
            flags.push(flag);
        }
    };
    maybe("-fno-omit-frame-pointer", 4);
    maybe("-fomit-frame-pointer", 6);
    maybe("-ffunction-sections", 5);
    maybe("-fdata-sections", 8);
    maybe("-fno-plt", 6);
    maybe("-gz", 8);
    maybe("-fcf-protection=full", 6);
    maybe("-fcf-protection=none", 8);
    maybe("-march=x86-64-v2", 8);
    maybe("-fno-inline", 12);
    maybe("-fno-optimize-sibling-calls", 10);
    maybe("-fstack-protector-strong", 6);
    maybe("-fstack-clash-protection", 8);
    maybe("-fno-semantic-interposition", 12);
    if gcc {
        maybe("-freorder-blocks-and-partition", 6);
        maybe("-fno-dwarf2-cfi-asm", 16);
        maybe("-gno-column-info", 8);
        maybe("-gno-statement-frontiers", 10);
        maybe("-fno-ipa-icf", 10);
        maybe("-maccumulate-outgoing-args", 12);
        maybe("-mno-red-zone", 12);
        maybe("-fipa-pta", 12);
        maybe("-fdebug-types-section", 12);
    } else {
        maybe("-mno-omit-leaf-frame-pointer", 10);
        maybe("-fdebug-types-section", 12);
        maybe("-gno-column-info", 8);
    }
    flags
}
