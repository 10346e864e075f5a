// words.rs - the words that are looked for, and where they stand in a text.
// SPDX-License-Identifier: Apache-2.0
//
// Matched by characters, not bytes, which suits Chinese best.
use daachorse::{CharwiseDoubleArrayAhoCorasick, CharwiseDoubleArrayAhoCorasickBuilder, MatchKind};
use sha2::{Digest, Sha256};

pub struct Words {
    pub matcher: CharwiseDoubleArrayAhoCorasick<u32>,
    pub texts: Vec<String>,
    /// Each as JSON writes it, with quotes: made once, not for each event.
    pub quoted: Vec<String>,
    /// What stands for the rules in events and markers.
    pub digest: String,
}

/// Bytes [start, end) of a text are word number `word`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub start: u32,
    pub end: u32,
    pub word: u32,
}

impl Words {
    pub fn read(path: &str) -> Words {
        let file = std::fs::read_to_string(path).expect("the file of words");
        let texts: Vec<String> =
            file.lines().filter(|w| !w.is_empty() && !w.starts_with('#')).map(String::from).collect();
        let matcher = CharwiseDoubleArrayAhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .build(&texts)
            .expect("words, each once");
        let quoted = texts.iter().map(|w| serde_json::to_string(w).unwrap()).collect();
        let mut digest = String::from("sha256:");
        for byte in Sha256::digest(&file) {
            digest.push_str(&format!("{byte:02x}"));
        }
        Words { matcher, texts, quoted, digest }
    }

    /// All places by start and end, overlapping ones too. False if there is none.
    pub fn find(&self, text: &str, hits: &mut Vec<Hit>) -> bool {
        hits.clear();
        hits.extend(self.matcher.find_overlapping_iter(text).map(|m| Hit {
            start: m.start() as u32,
            end: m.end() as u32,
            word: m.value(),
        }));
        hits.sort_unstable(); // they come by their ends; few, and a single one costs nothing
        !hits.is_empty()
    }
}
