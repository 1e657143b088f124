//! A line that is being typed, taken apart as a shell does it.

/// The words of a command up to the cursor; the last one is being completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    words: Vec<String>,
    /// What of the last word stays as it is: readline replaces what comes after it.
    kept: String,
    quote: Option<char>,
}

/// A word as it was typed, and what it means.
#[derive(Debug, Default)]
struct Word {
    value: String,
    /// Whether there is anything: an empty pair of quotes is a word.
    begun: bool,
    quote: Option<char>,
    /// How much of `value` readline leaves alone.
    kept: usize,
}

impl Line {
    /// A line of bash, whose readline takes words apart at `breaks`, too.
    pub(super) fn of_bash(line: &str, breaks: &str) -> Self {
        let mut words = Vec::new();
        let mut word = Word::default();
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match (word.quote, character) {
                (None, ' ' | '\t' | '\n') => {
                    let done = std::mem::take(&mut word);
                    if done.begun {
                        words.push(done.value);
                    }
                    continue;
                }
                (None, '\'' | '"') => {
                    word.quote = Some(character);
                    word.kept = word.value.len();
                }
                (Some(open), _) if character == open => {
                    word.quote = None;
                    word.kept = word.value.len();
                }
                (None, '\\') => word.value.extend(characters.next()),
                (Some('"'), '\\') => {
                    let next = characters.next();
                    if !next.is_some_and(|next| "\"\\$`".contains(next)) {
                        word.value.push('\\');
                    }
                    word.value.extend(next);
                }
                (None, _) => {
                    word.value.push(character);
                    if breaks.contains(character) {
                        word.kept = word.value.len();
                    }
                }
                (Some(_), _) => word.value.push(character),
            }
            word.begun = true;
        }
        let kept = word.value[..word.kept].to_owned();
        words.push(word.value);
        Self { words, kept, quote: word.quote }
    }

    /// Words of which the last is as it was typed, as fish gives them.
    pub(super) fn with_last(before: &[String], last: &str) -> Self {
        let mut last = Self::of_bash(last, "");
        let value = last.words.pop().unwrap_or_default();
        Self::of_words(&[before, &[value]].concat())
    }

    /// Words that mean what they are.
    pub(super) fn of_words(words: &[String]) -> Self {
        Self { words: words.to_vec(), kept: String::new(), quote: None }
    }

    /// The words.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// What is to stand in the place of what readline replaces, so that the last word becomes `value`; `None` when
    /// that cannot be, since what stays is no beginning of it.
    pub(super) fn insert(&self, value: &str) -> Option<String> {
        let rest = value.strip_prefix(&self.kept)?;
        Some(match self.quote {
            // Within quotes only their end has to be said otherwise; readline closes them itself.
            Some('\'') => rest.replace('\'', r"'\''"),
            // A history expansion cannot be escaped there.
            Some(_) => escaped(rest, "\"\\$`").replace('!', r#""'!'""#),
            None => {
                let home = if self.kept.is_empty() && rest.starts_with('~') { "\\" } else { "" };
                format!("{home}{}", escaped(rest, " \t\\'\"`$&|;<>()[]{}*?!#^"))
            }
        })
    }
}

fn escaped(text: &str, special: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'><=;|&(:";

    /// What readline replaces, as far as it is told to in its sources, with what comes in its place.
    fn completed(typed: &str, value: &str) -> Option<String> {
        let line = Line::of_bash(typed, BREAKS);
        let inserted = line.insert(value)?;
        let place = typed.len() - replaced(typed);
        let close = line.quote.map(String::from).unwrap_or_default();
        Some(format!("{}{inserted}{close}", &typed[..place]))
    }

    /// How many bytes at the end readline takes for the word: back to an open quote, or to a break that is not quoted.
    fn replaced(typed: &str) -> usize {
        let (mut quote, mut since, mut skip) = (None, 0, false);
        for (at, character) in typed.char_indices() {
            match (quote, character) {
                _ if skip => skip = false,
                (None | Some('"'), '\\') => skip = true,
                (Some(open), _) if open == character => (quote, since) = (None, at + 1),
                (None, '\'' | '"') => (quote, since) = (Some(character), at + 1),
                (None, _) if BREAKS.contains(character) => since = at + character.len_utf8(),
                _ => {}
            }
        }
        typed.len() - since
    }

    #[test]
    fn what_is_inserted_means_the_value_however_it_was_begun() {
        let value = r#"prod/my job: a 'b' "$HOME" `x` \ !"#;
        for typed in [
            "",
            "p",
            "prod/my",
            r"prod/my\ j",
            "'prod/my j",
            "\"prod/my j",
            "prod/'my j",
            r"prod/my\ job:",
            r"prod/my\ job:\ a",
        ] {
            let done = completed(&format!("ckptctl get {typed}"), value).unwrap();
            let words = Line::of_bash(&done, "").words;
            assert_eq!(words, ["ckptctl", "get", value], "{typed} became {done}");
        }
        assert_eq!(
            completed("ckptctl get test/", value),
            Some(format!("ckptctl get {}", Line::of_bash("", "").insert(value).unwrap()))
        );
        assert_eq!(completed("ckptctl get test:", value), None, "what stays is no beginning of it");
    }

    #[test]
    fn words_are_what_the_shell_makes_of_them() {
        let words = |line| Line::of_bash(line, BREAKS).words;
        assert_eq!(
            words("ckptctl  get a\\ b 'c d'\"e\\$f\\g\" "),
            ["ckptctl", "get", "a b", "c de$f\\g", ""]
        );
        assert_eq!(words("ckptctl --reason '' x"), ["ckptctl", "--reason", "", "x"]);
        assert_eq!(words("ckptctl get prod:a"), ["ckptctl", "get", "prod:a"], "a colon is part of a word");
        assert_eq!(words("ckptctl get '"), ["ckptctl", "get", ""]);
    }

    #[test]
    fn the_last_word_of_fish_is_as_it_was_typed() {
        let before = ["ckptctl".to_owned(), "get".to_owned()];
        for (last, value) in [("my\\ jo", "my jo"), ("'my jo", "my jo"), ("", "")] {
            assert_eq!(Line::with_last(&before, last).words, ["ckptctl", "get", value], "{last}");
        }
    }
}
