// main.rs - the Rust peer: the same words found in the same topic, exactly once, as chatmill does.
// SPDX-License-Identifier: Apache-2.0
//
// Usage: peer BROKERS TOPIC OUT GROUP WORKERS COMMIT_MS WORDS [same]
//        peer file ARCHIVE WORDS          events of a file on standard output (B3)
//        peer match TEXTS WORDS ROUNDS    matching alone: {"hits": …, "us": [… a round]} (B1)
// Alone it does the least that answers the question (thin.rs): no state, no headers. With `same` it
// writes the records that chatmill writes: whole events (event.rs), and state (state.rs) to OUT.state
// in the same transactions (same.rs). No folding in either (bench/peers/README.md).
mod alone;
mod envelope;
mod event;
mod kafka;
mod same;
mod state;
mod thin;
mod words;

use kafka::Job;
use same::Same;
use thin::Thin;
use words::Words;

const USAGE: &str = "usage: peer BROKERS TOPIC OUT GROUP WORKERS COMMIT_MS WORDS [same] | file ARCHIVE WORDS \
                     | match TEXTS WORDS ROUNDS";

fn usage() -> ! {
    eprintln!("{USAGE}");
    std::process::exit(64);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["file", archive, words] => alone::read_file(archive, &Words::read(words)),
        ["match", texts, words, rounds] => {
            alone::match_texts(texts, &Words::read(words), rounds.parse().unwrap_or_else(|_| usage()))
        }
        [brokers, topic, out, group, workers, commit_ms, words, ref more @ ..] => {
            let job = Job { brokers, topic, group, commit_ms: commit_ms.parse().unwrap_or_else(|_| usage()) };
            let (workers, words) = (workers.parse().unwrap_or_else(|_| usage()), Words::read(words));
            match more {
                [] => kafka::run(&job, workers, || Thin::new(&words, out)),
                ["same"] => kafka::run(&job, workers, || Same::new(&words, out)),
                _ => usage(),
            }
        }
        _ => usage(),
    }
}
