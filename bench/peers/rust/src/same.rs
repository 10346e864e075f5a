// same.rs - what chatmill does with a record, but for folding: whole events, and state that is logged.
// SPDX-License-Identifier: Apache-2.0
//
// Words are looked for first: a message without a hit has no effect, so whether it came twice does
// not matter, and most messages are done with after their clock.
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;

use crate::envelope::Envelope;
use crate::event::EventWriter;
use crate::kafka::{Out, Work};
use crate::state::Shard;
use crate::words::{Hit, Words};

const CLOCK_AHEAD_MS: i64 = 5 * 60 * 1000;

pub struct Same<'a> {
    words: &'a Words,
    topic: &'a str,
    state_topic: String,
    shards: Vec<Shard>, // by partition
    events: EventWriter<'a>,
    hits: Vec<Hit>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<'a> Same<'a> {
    pub fn new(words: &'a Words, topic: &'a str) -> Self {
        Same {
            words,
            topic,
            state_topic: format!("{topic}.state"),
            shards: Vec::new(),
            events: EventWriter::new(words),
            hits: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
        }
    }
}

impl Work for Same<'_> {
    fn take(&mut self, partition: i32, offset: i64, payload: &[u8], out: &Out) -> Result<(), KafkaError> {
        let partition = partition as usize;
        if partition >= self.shards.len() {
            self.shards.resize_with(partition + 1, Shard::default);
        }
        let shard = &mut self.shards[partition];
        shard.moved_to(offset + 1);
        let Some(envelope) = Envelope::read(payload) else { return Ok(()) };
        let m = &envelope.message;
        let ahead = envelope.recv_ts.map_or(i64::MAX, |ms| ms + CLOCK_AHEAD_MS);
        let clock_ms = shard.clock_ms(&envelope.corpid, m.msgtime.min(ahead));
        let Some(text) = &m.text else { return Ok(()) };
        if !self.words.find(&text.content, &mut self.hits) {
            return Ok(());
        }
        let subject = m.subject();
        self.key.clear();
        self.key.extend_from_slice(envelope.corpid.as_bytes());
        self.key.push(b'/');
        self.key.extend_from_slice(subject.as_bytes());
        let Some(sequence) = shard.remember(&self.key, &m.msgid, m.msgtime, clock_ms) else {
            return Ok(()); // a second copy
        };
        let headers = self.events.write(&envelope, subject, &self.key, clock_ms, sequence, &self.hits, &mut self.value);
        out.send(BaseRecord::to(self.topic).key(&self.key[..]).payload(&self.value[..]).headers(headers))
    }

    fn end(&mut self, out: &Out) -> Result<(), KafkaError> {
        for (partition, shard) in self.shards.iter_mut().enumerate() {
            shard.changes(&self.words.digest, &mut self.value, |key, value| {
                out.send(BaseRecord::to(&self.state_topic).partition(partition as i32).key(key).payload(value))
            })?;
        }
        Ok(())
    }
}
