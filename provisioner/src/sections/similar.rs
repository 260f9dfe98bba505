//! Guesses the word that a mistyped word was meant to be.

/// The most similar of some names, if one is similar at all.
pub(crate) fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = |other: &str| 1 + other.len() / 4;
    known
        // The distance is at least the difference in length, which is far cheaper to compute.
        .filter(|other| word.len().abs_diff(other.len()) <= allowed(other))
        .map(|other| (distance(word, other), other))
        .filter(|(far, other)| *far <= allowed(other))
        .min()
        .map(|(_, other)| other)
}

/// The Levenshtein distance. A swap of neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, j) => j,
                (i, 0) => i,
                (i, j) => {
                    let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swap = match i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        true => rows[i - 2][j - 2] + 1,
                        false => usize::MAX,
                    };
                    change.min(swap).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}
