//! Patterns in which `*` stands for any text and `?` for any one character, as in a rule of the load balancer.

use std::collections::{BTreeSet, HashSet};

/// A sign of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Just(char),
    One,
    Any,
    End,
}

/// Whether a text fits a pattern in which only `*` has a meaning. The time grows with the product of their lengths.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // The place of the last star, and how far its text went.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether each text that fits `inner` also fits one of `outer`. Both are walked through together, letter by letter.
/// The answer is `false` when `budget` is used up. Only a file that somebody made for that purpose does that.
pub(super) fn covers(outer: &[&str], inner: &str, budget: &mut usize) -> bool {
    let inner = signs(inner);
    let all: Vec<Sign> = outer.iter().flat_map(|pattern| signs(pattern)).collect();
    let starts = (0..all.len()).filter(|at| *at == 0 || all[at - 1] == Sign::End);
    // All letters that are in neither of them are alike.
    let mut letters: BTreeSet<char> = BTreeSet::from(['\0']);
    letters.extend(inner.iter().chain(&all).filter_map(|sign| match sign {
        Sign::Just(letter) => Some(*letter),
        _ => None,
    }));
    let first = (0, closed(&all, starts.collect()));
    let mut seen = HashSet::from([first.clone()]);
    let mut open = vec![first];
    while let Some((at, within)) = open.pop() {
        let cost = 1 + within.len() * letters.len();
        if *budget < cost {
            return false;
        }
        *budget -= cost;
        if inner[at] == Sign::End {
            if !within.iter().any(|at| all[*at] == Sign::End) {
                return false;
            }
            continue;
        }
        let mut go = |next: (usize, Vec<usize>)| {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        };
        if inner[at] == Sign::Any {
            go((at + 1, within.clone()));
        }
        let next = if inner[at] == Sign::Any { at } else { at + 1 };
        for letter in &letters {
            if !matches!(inner[at], Sign::Just(only) if only != *letter) {
                go((next, step(&all, &within, *letter)));
            }
        }
    }
    true
}

/// The beginning of every text that fits the pattern.
pub(super) fn beginning(pattern: &str) -> &str {
    pattern.split(['*', '?']).next().unwrap_or_default()
}

fn signs(pattern: &str) -> Vec<Sign> {
    let mut signs: Vec<Sign> = pattern
        .chars()
        .map(|c| match c {
            '*' => Sign::Any,
            '?' => Sign::One,
            c => Sign::Just(c),
        })
        .collect();
    signs.dedup_by(|one, other| *one == Sign::Any && *other == Sign::Any);
    signs.push(Sign::End);
    signs
}

fn step(all: &[Sign], within: &[usize], letter: char) -> Vec<usize> {
    let next = within.iter().filter_map(|at| match all[*at] {
        Sign::Just(only) => (only == letter).then_some(at + 1),
        Sign::One => Some(at + 1),
        Sign::Any => Some(*at),
        Sign::End => None,
    });
    closed(all, next.collect())
}

/// Adds the places that are reached without a letter: those behind a star that stands for nothing.
fn closed(all: &[Sign], mut within: Vec<usize>) -> Vec<usize> {
    let mut index = 0;
    while index < within.len() {
        if all[within[index]] == Sign::Any {
            within.push(within[index] + 1);
        }
        index += 1;
    }
    within.sort_unstable();
    within.dedup();
    within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, expected) in [
            ("db.t4g.micro", "db.t4g.micro", true),
            ("db.t4g", "db.t4g.micro", false),
            ("*.16xlarge", "db.r6g.16xlarge", true),
            ("db.*.micro", "db.t4g.micro", true),
            ("db.*.micro", "db.t4g.small", false),
            ("*", "", true),
            ("*a*a*a*a*a*a*a*a*b", &"a".repeat(10_000), false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn one_pattern_is_within_others() {
        for (outer, inner, expected) in [
            (&["/a*"][..], "/a*", true),
            (&["/a*"], "/a", true),
            (&["/a*"], "/ab/*", true),
            (&["/a*"], "/b*", false),
            (&["/a/*"], "/a*", false),
            (&["/*"], "/?*x?", true),
            (&["/?*"], "/*", false),
            (&["/?*"], "/*?", true),
            (&["/*?x"], "/?*x", true),
            (&["/a", "/a/*"], "/a/b", true),
            (&["/a?", "/a"], "/a*", false),
            (&["/a", "/a?*"], "/a*", true),
            (&["/*a*", "/*b*"], "/*a*b*", true),
            (&["/**"], "/*", true),
            (&["/a.b"], "/a?b", false),
            (&["/a?b"], "/a.b", true),
            (&[], "/a", false),
        ] {
            assert_eq!(covers(outer, inner, &mut 1_000_000), expected, "{outer:?} {inner}");
        }
    }

    #[test]
    fn nobody_waits_for_a_pattern_that_was_made_for_it() {
        let outer = format!("/*a{}", "?".repeat(120));
        let mut budget = 1_000_000;
        assert!(!covers(&[&outer], "/*", &mut budget) || budget == 0);
    }
}
