//! SPDX licence expressions, as far as manifests use them.

/// Whether the expression can be met with allowed licences alone: one side of an `OR`, both sides of an `AND`.
pub(super) fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    // Old manifests write `/` for OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = any_of(&mut words, allowed);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut verdict = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= all_of(words, allowed);
    }
    verdict
}

fn all_of(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut verdict = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let verdict = any_of(words, allowed);
        return words.next() == Some(")") && verdict;
    }
    let mut name = word.to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn an_expression_is_allowed_when_allowed_licences_meet_it() {
        let allowed = ["MIT", "Apache-2.0", "ISC", "Unicode-3.0"].map(str::to_owned);
        for expression in [
            "MIT",
            "MIT OR Apache-2.0",
            "Apache-2.0 / GPL-3.0-only",
            "(MIT OR GPL-2.0-only) AND Unicode-3.0",
            "ISC AND (Apache-2.0 OR ISC)",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "LGPL-2.1-or-later OR MIT AND ISC",
        ] {
            assert!(is_allowed(expression, &allowed), "{expression}");
        }
        for expression in [
            "",
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT OR ISC) AND (GPL-2.0-only OR LGPL-2.1-only)",
            "MIT nonsense",
            "(MIT",
        ] {
            assert!(!is_allowed(expression, &allowed), "{expression}");
        }
    }
}
