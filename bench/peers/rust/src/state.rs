// state.rs - what is known of the customers of one partition, and its changes as records.
// SPDX-License-Identifier: Apache-2.0
//
// A customer's past is two rows of bytes as they are written, so that a change costs two copies,
// however long the past is: hashes of messages that had an effect, and when they were with the alert
// that rests on each. It is never read back: the benchmark begins with an empty topic.
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{CATEGORY, PACK, RULE, SEVERITY, TITLE};

const MEMORY_MS: i64 = 7 * 86_400_000;
const SEEN_MAX: usize = 1000; // bounds what a change costs
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 9; // version, checksum
const MARKER_KEY: &[u8] = b"\0pos";

struct Customer {
    key: Box<[u8]>, // corpid/customer
    sequence: u64,
    oldest_ms: i64,
    hashes: Vec<[u8; 8]>,
    notes: Vec<[u8; 8]>, // time in 6 bytes, then kind and order of the alert
    changed: bool,
}

#[derive(Default)]
pub struct Shard {
    table: HashTable<u32>, // indices of customers, by the hash of the key
    customers: Vec<Customer>,
    changed: Vec<u32>,
    clocks: Vec<(String, i64)>, // of each corp; there are few
    next_offset: i64,
    moved: bool,
}

fn time_of(note: &[u8; 8]) -> i64 {
    i64::from_le_bytes(*note) & 0xffff_ffff_ffff
}

impl Customer {
    /// Forgets what is older than the memory, and of the rest the first if it is too much.
    fn forget(&mut self, clock_ms: i64) {
        let extra = (self.hashes.len() + 1).saturating_sub(SEEN_MAX);
        let mut kept = 0;
        self.oldest_ms = i64::MAX;
        for i in extra..self.hashes.len() {
            let time_ms = time_of(&self.notes[i]);
            if time_ms + MEMORY_MS > clock_ms {
                self.hashes[kept] = self.hashes[i];
                self.notes[kept] = self.notes[i];
                self.oldest_ms = self.oldest_ms.min(time_ms);
                kept += 1;
            }
        }
        self.hashes.truncate(kept);
        self.notes.truncate(kept);
    }
}

impl Shard {
    pub fn moved_to(&mut self, next_offset: i64) {
        self.next_offset = next_offset;
        self.moved = true;
    }

    /// The clock of a corp after a message of this time.
    pub fn clock_ms(&mut self, corpid: &str, time_ms: i64) -> i64 {
        if let Some((_, clock)) = self.clocks.iter_mut().find(|(id, _)| id == corpid) {
            *clock = time_ms.max(*clock);
            return *clock;
        }
        self.clocks.push((corpid.to_string(), time_ms));
        time_ms
    }

    fn customer(&mut self, key: &[u8]) -> u32 {
        let customers = &mut self.customers;
        let hash = xxh3_64(key);
        if let Some(&i) = self.table.find(hash, |&i| *customers[i as usize].key == *key) {
            return i;
        }
        let i = customers.len() as u32;
        customers.push(Customer {
            key: key.into(),
            sequence: 0,
            oldest_ms: i64::MAX,
            hashes: Vec::new(),
            notes: Vec::new(),
            changed: false,
        });
        self.table.insert_unique(hash, i, |&i| xxh3_64(&customers[i as usize].key));
        i
    }

    /// Notes that a message raised an alert; the sequence of its event, or None if it did so before.
    pub fn remember(&mut self, key: &[u8], msgid: &str, time_ms: i64, clock_ms: i64) -> Option<u64> {
        let i = self.customer(key);
        let c = &mut self.customers[i as usize];
        let hash = xxh3_64(msgid.as_bytes()).to_le_bytes();
        if c.hashes.contains(&hash) {
            return None;
        }
        if c.hashes.len() >= SEEN_MAX || c.oldest_ms.saturating_add(MEMORY_MS) <= clock_ms {
            c.forget(clock_ms);
        }
        c.hashes.push(hash);
        c.notes.push((time_ms & 0xffff_ffff_ffff).to_le_bytes()); // kind 0, order 0
        c.oldest_ms = c.oldest_ms.min(time_ms);
        c.sequence = (c.sequence + 1).max(clock_ms as u64 * 1_000_000);
        if !c.changed {
            c.changed = true;
            self.changed.push(i);
        }
        Some(c.sequence)
    }

    /// Hands out a record for each customer who changed, and the marker, if the partition moved.
    pub fn changes<E>(
        &mut self,
        ruleset: &str,
        value: &mut Vec<u8>,
        mut put: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.moved {
            return Ok(());
        }
        for i in self.changed.drain(..) {
            let c = &mut self.customers[i as usize];
            c.changed = false;
            write_customer(value, c);
            seal(value, &c.key);
            put(&c.key, value)?;
        }
        begin(value);
        value.extend_from_slice(&self.next_offset.to_le_bytes());
        put_text(value, ruleset);
        for (corpid, clock) in &self.clocks {
            put_text(value, corpid);
            value.extend_from_slice(&clock.to_le_bytes());
        }
        seal(value, MARKER_KEY);
        self.moved = false;
        put(MARKER_KEY, value)
    }
}

// ---- values

fn begin(value: &mut Vec<u8>) {
    value.clear();
    value.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// The checksum of what follows it, and of the key: a value under another key is found out.
fn seal(value: &mut [u8], key: &[u8]) {
    let sum = xxh3_64(&value[HEAD_BYTES..]).wrapping_add(xxh3_64(key).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    value[1..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
}

fn put_text(value: &mut Vec<u8>, text: &str) {
    value.push(text.len() as u8);
    value.extend_from_slice(text.as_bytes());
}

fn write_customer(value: &mut Vec<u8>, c: &Customer) {
    begin(value);
    value.extend_from_slice(&c.sequence.to_le_bytes());
    value.push(1); // kinds of alerts
    for text in [PACK, RULE, CATEGORY, TITLE, SEVERITY] {
        put_text(value, text);
    }
    value.extend_from_slice(&(c.hashes.len() as u16).to_le_bytes());
    value.extend_from_slice(c.hashes.as_flattened());
    value.extend_from_slice(c.notes.as_flattened());
}
