// main.rs - the Rust peer: the same words found in the same topic, exactly once, as chatmill does.
// SPDX-License-Identifier: Apache-2.0
//
// Usage: peer BROKERS TOPIC OUT GROUP WORKERS COMMIT_MS WORDS
//        peer file ARCHIVE WORDS          events of a file on standard output (B3)
//        peer match TEXTS WORDS ROUNDS    matching alone: {"hits": …, "us": [… a round]} (B1)
// Does the least that answers the question (bench/peers/README.md): no folding, no state, no
// headers. Tuned as chatmill is: one consumer and one transactional producer a thread, single
// polls, zstd, the same commit interval; words matched by characters, which suits Chinese best.
use std::borrow::Cow;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::time::{Duration, Instant};

use daachorse::{CharwiseDoubleArrayAhoCorasick, CharwiseDoubleArrayAhoCorasickBuilder, MatchKind};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    corpid: Cow<'a, str>,
    #[serde(borrow)]
    message: Inner<'a>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    msgid: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    tolist: Vec<Cow<'a, str>>,
    msgtime: i64,
    #[serde(borrow)]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

type Words = CharwiseDoubleArrayAhoCorasick<u32>;
const TIMEOUT: Duration = Duration::from_secs(30);

fn put_json(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).unwrap();
}

/// Writes the event of one record into `out`; false if nothing was found.
fn event(payload: &[u8], matcher: &Words, words: &[String], out: &mut Vec<u8>, key: &mut Vec<u8>) -> bool {
    let envelope: Envelope = match serde_json::from_slice(payload) {
        Ok(e) => e,
        Err(_) => return false,
    };
    let m = &envelope.message;
    let content: &str = match &m.text {
        Some(t) => &t.content,
        None => return false,
    };
    let customer = if m.from.starts_with("wm") || m.from.starts_with("wo") {
        &m.from
    } else {
        m.tolist.first().unwrap_or(&m.from)
    };
    let mut any = false;
    for hit in matcher.find_overlapping_iter(content) {
        if !any {
            out.clear();
            key.clear();
            key.extend_from_slice(envelope.corpid.as_bytes());
            key.push(b'/');
            key.extend_from_slice(customer.as_bytes());
            out.extend_from_slice(b"{\"corpid\":");
            put_json(out, &envelope.corpid);
            out.extend_from_slice(b",\"external_userid\":");
            put_json(out, customer);
            out.extend_from_slice(b",\"msgid\":");
            put_json(out, &m.msgid);
            write!(out, ",\"msgtime\":{},\"evidence\":[", m.msgtime).unwrap();
            any = true;
        } else {
            out.push(b',');
        }
        write!(out, "{{\"field\":\"text.content\",\"start\":{},\"end\":{},\"word\":", hit.start(), hit.end()).unwrap();
        put_json(out, &words[hit.value() as usize]);
        out.push(b'}');
    }
    if any {
        out.extend_from_slice(b"]}");
    }
    any
}

fn work(args: &[String], number: usize, matcher: &Words, words: &[String]) -> Result<(), KafkaError> {
    let (brokers, topic, out_topic, group) = (&args[1], &args[2], &args[3], &args[4]);
    let commit = Duration::from_millis(args[6].parse().unwrap());
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "range")
        .create()?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", format!("{group}-{number}"))
        .set("linger.ms", "1000")
        .set("compression.type", "zstd")
        .set("compression.level", "1")
        .set("queue.buffering.max.messages", "1000000")
        .create()?;
    consumer.subscribe(&[topic])?;
    producer.init_transactions(TIMEOUT)?;
    let (mut value, mut key) = (Vec::new(), Vec::new());
    let mut next = std::collections::BTreeMap::new();
    let mut begun: Option<Instant> = None;
    loop {
        if let Some(message) = consumer.poll(Duration::from_millis(20)) {
            let message = message?;
            if begun.is_none() {
                producer.begin_transaction()?;
                begun = Some(Instant::now());
            }
            next.insert(message.partition(), message.offset() + 1);
            if let Some(payload) = message.payload() {
                if event(payload, matcher, words, &mut value, &mut key) {
                    let mut record = BaseRecord::to(out_topic).key(&key).payload(&value);
                    while let Err((error, back)) = producer.send(record) {
                        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                            return Err(error);
                        }
                        producer.poll(Duration::from_millis(10));
                        record = back;
                    }
                }
            }
        }
        if begun.map_or(false, |b| b.elapsed() >= commit) {
            let mut offsets = TopicPartitionList::new();
            for (partition, offset) in &next {
                offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            }
            producer.send_offsets_to_transaction(&offsets, &consumer.group_metadata().unwrap(), TIMEOUT)?;
            producer.commit_transaction(TIMEOUT)?;
            begun = None;
        }
    }
}

fn read_words(path: &str) -> Vec<String> {
    std::fs::read_to_string(path)
        .expect("the file of words")
        .lines()
        .filter(|w| !w.is_empty() && !w.starts_with('#'))
        .map(String::from)
        .collect()
}

fn build(words: &[String]) -> Words {
    CharwiseDoubleArrayAhoCorasickBuilder::new()
        .match_kind(MatchKind::Standard)
        .build(words)
        .expect("words, each once")
}

fn read_file(archive: &str, words: &[String]) {
    let matcher = build(words);
    let mut input = BufReader::with_capacity(1 << 20, std::fs::File::open(archive).expect("the archive"));
    let mut output = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let (mut line, mut value, mut key) = (Vec::new(), Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line).expect("the archive") > 0 {
        if event(&line, &matcher, words, &mut value, &mut key) {
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

fn match_texts(texts: &str, words: &[String], rounds: usize) {
    let matcher = build(words);
    let texts = std::fs::read_to_string(texts).expect("the texts");
    let lines: Vec<&str> = texts.lines().filter(|l| !l.is_empty()).collect();
    let (mut took, mut hits) = (Vec::new(), 0u64);
    for _ in 0..rounds {
        let start = cpu_us();
        hits = 0;
        for line in &lines {
            hits += matcher.find_overlapping_iter(line).count() as u64;
        }
        took.push(format!("{:.1}", cpu_us() - start));
    }
    println!("{{\"texts\": {}, \"hits\": {}, \"us\": [{}]}}", lines.len(), hits, took.join(", "));
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("file") if args.len() == 4 => return read_file(&args[2], &read_words(&args[3])),
        Some("match") if args.len() == 5 => {
            return match_texts(&args[2], &read_words(&args[3]), args[4].parse().expect("a number of rounds"))
        }
        _ => {}
    }
    if args.len() != 8 {
        eprintln!("usage: peer BROKERS TOPIC OUT GROUP WORKERS COMMIT_MS WORDS | file ARCHIVE WORDS | match TEXTS WORDS ROUNDS");
        std::process::exit(64);
    }
    let words = read_words(&args[7]);
    let matcher = build(&words);
    std::thread::scope(|scope| {
        for number in 0..args[5].parse().expect("a number of workers") {
            let (args, matcher, words) = (&args, &matcher, &words);
            scope.spawn(move || {
                if let Err(error) = work(args, number, matcher, words) {
                    eprintln!("worker {number}: {error}");
                    std::process::exit(1);
                }
            });
        }
    });
}
