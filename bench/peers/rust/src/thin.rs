// thin.rs - the least that answers the question: for each message with a hit, who, when and where.
// SPDX-License-Identifier: Apache-2.0
use std::io::Write;

use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;

use crate::envelope::Envelope;
use crate::kafka::{Out, Work};
use crate::words::Words;

pub struct Thin<'a> {
    words: &'a Words,
    topic: &'a str,
    value: Vec<u8>,
    key: Vec<u8>,
}

fn put_json(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).unwrap();
}

/// Writes the event of one record into `out`; false if nothing was found.
pub fn event(payload: &[u8], words: &Words, out: &mut Vec<u8>, key: &mut Vec<u8>) -> bool {
    let Some(envelope) = Envelope::read(payload) else { return false };
    let m = &envelope.message;
    let Some(text) = &m.text else { return false };
    let customer = m.customer();
    let mut any = false;
    for hit in words.matcher.find_overlapping_iter(&*text.content) {
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
        put_json(out, &words.texts[hit.value() as usize]);
        out.push(b'}');
    }
    if any {
        out.extend_from_slice(b"]}");
    }
    any
}

impl<'a> Thin<'a> {
    pub fn new(words: &'a Words, topic: &'a str) -> Self {
        Thin { words, topic, value: Vec::new(), key: Vec::new() }
    }
}

impl Work for Thin<'_> {
    fn take(&mut self, _partition: i32, _offset: i64, payload: &[u8], out: &Out) -> Result<(), KafkaError> {
        if !event(payload, self.words, &mut self.value, &mut self.key) {
            return Ok(());
        }
        out.send(BaseRecord::to(self.topic).key(&self.key[..]).payload(&self.value[..]))
    }

    fn end(&mut self, _out: &Out) -> Result<(), KafkaError> {
        Ok(())
    }
}
