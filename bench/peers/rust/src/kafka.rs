// kafka.rs - reads a topic and writes others in transactions, with one thread a worker.
// SPDX-License-Identifier: Apache-2.0
//
// Tuned as chatmill is: one consumer and one transactional producer a thread, single polls, zstd, the
// same commit interval. Partitions that move while a transaction is open are not handled.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(30);

pub struct Job<'a> {
    pub brokers: &'a str,
    pub topic: &'a str,
    pub group: &'a str,
    pub commit_ms: u64,
}

/// What is done with each record, and at the end of each transaction.
pub trait Work {
    fn take(&mut self, partition: i32, offset: i64, payload: &[u8], out: &Out) -> Result<(), KafkaError>;
    fn end(&mut self, out: &Out) -> Result<(), KafkaError>;
}

pub struct Out {
    producer: BaseProducer,
}

impl Out {
    /// Lets all batches set out, waits a millisecond for answers, and takes those that are there. The
    /// crate's own flush asks for it only for an instant: threads that look later wait for linger.ms.
    fn hurry(&self) {
        // Safety: the client lives as long as its producer.
        unsafe { rdkafka::bindings::rd_kafka_flush(self.producer.client().native_ptr(), 1) };
        let mut left = self.producer.in_flight_count();
        while left > 0 {
            self.producer.poll(Duration::ZERO);
            let still = self.producer.in_flight_count();
            if still >= left {
                return;
            }
            left = still;
        }
    }

    pub fn send(&self, mut record: BaseRecord<[u8], [u8]>) -> Result<(), KafkaError> {
        while let Err((error, back)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            self.producer.poll(Duration::from_millis(10));
            record = back;
        }
        Ok(())
    }
}

fn consumer(job: &Job) -> Result<BaseConsumer, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", job.brokers)
        .set("group.id", job.group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "range")
        .create()?;
    consumer.subscribe(&[job.topic])?;
    Ok(consumer)
}

fn producer(job: &Job, number: usize) -> Result<BaseProducer, KafkaError> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", job.brokers)
        .set("transactional.id", format!("{}-{number}", job.group))
        .set("linger.ms", "1000")
        .set("compression.type", "zstd")
        .set("compression.level", "1")
        .set("queue.buffering.max.messages", "1000000")
        .set("partitioner", "murmur2_random")
        .create()?;
    producer.init_transactions(TIMEOUT)?;
    Ok(producer)
}

fn work<W: Work>(job: &Job, number: usize, mut work: W) -> Result<(), KafkaError> {
    let consumer = consumer(job)?;
    let out = Out { producer: producer(job, number)? };
    let commit = Duration::from_millis(job.commit_ms);
    let mut next = BTreeMap::new();
    let mut begun: Option<Instant> = None;
    let mut taken = 0u32;
    loop {
        let mut idle = true;
        if let Some(message) = consumer.poll(Duration::from_millis(20)) {
            let message = message?;
            if begun.is_none() {
                out.producer.begin_transaction()?;
                begun = Some(Instant::now());
            }
            next.insert(message.partition(), message.offset() + 1);
            if let Some(payload) = message.payload() {
                work.take(message.partition(), message.offset(), payload, &out)?;
            }
            (idle, taken) = (false, taken.wrapping_add(1));
        }
        // The clock costs more than some messages: asked for every 16th of them.
        if (idle || taken % 16 == 0) && begun.map_or(false, |b| b.elapsed() >= commit) {
            work.end(&out)?;
            out.hurry();
            let mut offsets = TopicPartitionList::new();
            for (partition, offset) in &next {
                offsets.add_partition_offset(job.topic, *partition, Offset::Offset(*offset))?;
            }
            out.producer.send_offsets_to_transaction(&offsets, &consumer.group_metadata().unwrap(), TIMEOUT)?;
            while out.producer.in_flight_count() > 0 {
                out.hurry();
            }
            out.producer.commit_transaction(TIMEOUT)?;
            begun = None;
        }
    }
}

/// Runs until it is killed; an error ends it.
pub fn run<W: Work + Send>(job: &Job, workers: usize, new: impl Fn() -> W) {
    std::thread::scope(|scope| {
        for number in 0..workers {
            let mine = new();
            scope.spawn(move || {
                if let Err(error) = work(job, number, mine) {
                    eprintln!("worker {number}: {error}");
                    std::process::exit(1);
                }
            });
        }
    });
}
