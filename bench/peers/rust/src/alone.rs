// alone.rs - without Kafka: events of a file, and matching alone.
// SPDX-License-Identifier: Apache-2.0
use std::io::{BufRead, BufReader, BufWriter, Write};

use crate::thin;
use crate::words::Words;

pub fn read_file(archive: &str, words: &Words) {
    let mut input = BufReader::with_capacity(1 << 20, std::fs::File::open(archive).expect("the archive"));
    let mut output = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let (mut line, mut value, mut key) = (Vec::new(), Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line).expect("the archive") > 0 {
        if thin::event(&line, words, &mut value, &mut key) {
            value.push(b'\n');
            output.write_all(&value).expect("standard output");
        }
        line.clear();
    }
}

/// Processor time of this thread, as the kernel counts it (proc(5), schedstat: ns on a processor).
fn cpu_us() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("schedstat") / 1e3
}

pub fn match_texts(texts: &str, words: &Words, rounds: usize) {
    let texts = std::fs::read_to_string(texts).expect("the texts");
    let lines: Vec<&str> = texts.lines().filter(|l| !l.is_empty()).collect();
    let (mut took, mut hits) = (Vec::new(), 0u64);
    for _ in 0..rounds {
        let start = cpu_us();
        hits = 0;
        for line in &lines {
            hits += words.matcher.find_overlapping_iter(line).count() as u64;
        }
        took.push(format!("{:.1}", cpu_us() - start));
    }
    println!("{{\"texts\": {}, \"hits\": {}, \"us\": [{}]}}", lines.len(), hits, took.join(", "));
}
