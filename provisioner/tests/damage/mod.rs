//! Damages a stack file, by seed.

/// A small generator of pseudo-random numbers (SplitMix64): the same seed does the same damage on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % limit.max(1) as u64).unwrap_or(0)
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Damages a file in one to `most` places.
pub fn damage(whole: &str, dice: &mut Dice, most: usize) -> String {
    let mut text = whole.to_owned();
    for _ in 0..=dice.below(most) {
        text = match dice.below(5) {
            0 => in_words(&text, dice),
            1 => in_lines(&text, dice),
            2 | 3 => in_values(&text, dice),
            _ => in_form(&text, dice),
        };
    }
    text
}

/// Damages single bytes. If the result is not text, it is mended as an editor would.
pub fn noise(text: &str, dice: &mut Dice, most: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.below(most) {
        let at = dice.below(bytes.len() + 1);
        let byte = b"{}[]:-#&*!|>'\"%@`,? \n\t\r~<=\0\x1b\x7f\xc3\xf0\xff09aZ"[dice.below(36)];
        match dice.below(4) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + dice.below(9)).min(bytes.len()))),
            _ => bytes.insert(at, byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const VALUES: &[&str] = &[
    "no",
    "on",
    "yes",
    "null",
    "~",
    "",
    "{}",
    "[]",
    "{a: b}",
    "[a, b]",
    "[[]]",
    "0",
    "1",
    "-1",
    "2",
    "3",
    "1.0",
    "2.0",
    "256.0",
    "2.5",
    "0x10",
    "0o17",
    "1e2",
    "1e400",
    "-0",
    "+5",
    ".inf",
    ".nan",
    "4294967296",
    "99999999999999999999",
    "-99999999999999999999",
    "1_000",
    "10",
    "100",
    "512",
    "1024",
    "65536",
    "30",
    "30s",
    "12h",
    "15d",
    "0s",
    "9999999d",
    "5 m",
    "-5m",
    "true",
    "false",
    "\"8.4\"",
    "8.4",
    "\"8.0\"",
    "'",
    "\"",
    "\"\\e[31m\"",
    "\"\\0\"",
    "\"\\n\"",
    "|",
    ">",
    "!!binary aGVsbG8=",
    "!!int \"5\"",
    "!!map {}",
    "!!set {a, b}",
    "!mine x",
    "&a x",
    "*a",
    "*b",
    "&a [*a]",
    "<<",
    "{<<: *a}",
    "🔔",
    "a🔔@b",
    "日本",
    "a-to-b",
    "prod",
    "dev",
    "hello",
    "none",
    "per-zone",
    "redis",
    "alerts",
    "web",
    "redirect",
    "2020-01-01",
    "a b",
    "A",
    "-a",
    "a-",
    "[GET, GET]",
    "[a@b.example, a@b.example]",
    "[\"/a*\", \"/b\", \"/c\"]",
    "{min: 3, max: 1}",
    "{max: 1}",
    "{PORT: x}",
    "{\"\": x}",
    "{A: x, a: y}",
    "# nothing",
    "? a",
    "- a",
];

/// Sections that reach far into `expand` if they are accepted.
const SECTIONS: &[&str] = &[
    "databases: {d: {replica: true}, e-d: {}}",
    "caches:\n  c: {nodes: 3}",
    "topics: {a: {}, a-to-b: {}, b: {fifo: true}}",
    "queues: {c: {from: [a-to-b]}, b-to-c: {from: [a]}}",
    "queues: {c: {from: [a, a]}, d: {fifo: true, from: [b]}}",
    "search: {s: {nodes: 2}}",
    "services: {one: {role: hello, uses: [d, c, s], http: {}}, two: {image: x, uses: [a, c], owns: [d]}}",
    "services: {one: {image: \"\", env: {PORT: \"1\"}, scale: {max: 1}}}",
    "logs: {to: s, ship: {}}",
    "logs: {to: s, ship: {one: \"\"}, keep_days: 5}",
    "alerts: {email: [a@b, a@b]}",
    "network: {zones: 3, nat: none}",
    "network: {cidr: 10.999.0.0}",
    "environments: {prod: {profile: null}, dev: {queues: null}}",
    "environments: {prod: {services: {one: {scale: {max: 1}}}}}",
    "environments: {dev: {environments: {}}}",
];

/// Makes typos, and references to things that are not there or are of another sort.
fn in_words(text: &str, dice: &mut Dice) -> String {
    let words: Vec<(usize, &str)> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
        .collect();
    if words.is_empty() {
        return text.to_owned();
    }
    let (at, word) = words[dice.below(words.len())];
    let letter = dice.below(word.len());
    let new = match dice.below(6) {
        0 => words[dice.below(words.len())].1.to_owned(),
        1 => format!("{}{}", &word[..letter], &word[letter + 1..]),
        2 => format!("{}x{}", &word[..letter], &word[letter..]),
        3 => word.to_uppercase(),
        4 => word.repeat(1 + dice.below(60)),
        _ => format!("{word}-{}", dice.pick(&["dead-letter", "replica", "task", "a", "to-b"])),
    };
    format!("{}{new}{}", &text[..at], &text[at + word.len()..])
}

fn in_lines(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let (at, other) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(8) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => lines[at].insert_str(0, &" ".repeat(1 + dice.below(5))),
        4 => lines[at] = lines[at].trim_start().to_owned(),
        5 => lines[at].insert(0, '\t'),
        6 => {
            // A whole block moves to another place.
            let block: Vec<String> = lines[at..(at + 1 + dice.below(6)).min(lines.len())].to_vec();
            lines.splice(other..other, block);
        }
        _ => {
            let section = dice.pick(SECTIONS);
            lines.insert(at, section.to_owned());
        }
    }
    lines.join("\n")
}

/// Puts another value behind a key, or into a list.
fn in_values(text: &str, dice: &mut Dice) -> String {
    let starts: Vec<usize> = text.match_indices([':', '[', ',']).map(|(at, _)| at + 1).collect();
    if starts.is_empty() {
        return format!("{text}{}", dice.pick(VALUES));
    }
    let start = starts[dice.below(starts.len())];
    let rest = &text[start..];
    let length = rest.find(['\n', ',', '}', ']']).unwrap_or(rest.len());
    let long = ["a".repeat(5000), "9".repeat(400), "é".repeat(300), "[".repeat(60)];
    let value = match dice.below(VALUES.len() + 4) {
        index if index < VALUES.len() => VALUES[index],
        index => &long[index - VALUES.len()],
    };
    // Sometimes the old value stays, behind a tag or an anchor.
    let kept = if dice.below(6) == 0 { &rest[..length] } else { "" };
    format!("{} {value}{kept}{}", &text[..start], &rest[length..])
}

fn in_form(text: &str, dice: &mut Dice) -> String {
    let mut at = dice.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let (head, tail) = text.split_at(at);
    match dice.below(9) {
        0 => head.to_owned(),
        1 => text.replace('\n', "\r\n"),
        2 => text.replacen('\n', "\r", 1 + dice.below(9)),
        3 => format!("\u{feff}{text}"),
        4 => format!("{text}\n---\n{text}"),
        5 => format!("{head}\n...\n{tail}"),
        6 => format!(
            "{head}{}{tail}",
            dice.pick(&["\0", "\u{1b}", "\u{7f}", "\u{85}", "\u{2028}", "\u{feff}", "🔔", "\u{202e}", "\t"])
        ),
        7 => format!("%YAML 9.9\n---\n{text}"),
        _ => format!(
            "{head}{}{tail}",
            dice.pick(&["# ", "{", "}", "[", "]", ": ", "- ", "'", "\"", "&a ", "*a", "!!", "? ", "| "])
        ),
    }
}
