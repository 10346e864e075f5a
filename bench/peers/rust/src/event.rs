// event.rs - an alert as chatmill writes it: CloudEvents headers, and the data as JSON.
// SPDX-License-Identifier: Apache-2.0
use std::fmt::Write;

use rdkafka::message::{Header, OwnedHeaders};
use sha1::{Digest, Sha1};

use crate::envelope::{is_customer, Envelope, Message};
use crate::words::{Hit, Words};

pub const PACK: &str = "bench";
pub const RULE: &str = "words";
pub const SEVERITY: &str = "low";
pub const CATEGORY: &str = "bench";
pub const TITLE: &str = "words";
const TYPE: &str = "chatmill.alert.v1";
const SOURCE: &str = "/chatmill/peer";
const NAMESPACE: [u8; 16] = uuid::Uuid::NAMESPACE_OID.into_bytes();
const LATE_MS: i64 = 3_600_000;
const EVIDENCE_MAX: usize = 100;
const USERIDS_MAX: usize = 20;

/// Working memory, and what is the same in all events of the rule.
pub struct EventWriter<'a> {
    words: &'a Words,
    of_rule: String,
    headers: OwnedHeaders, // those that are the same in all events
    name: Vec<u8>,         // what the id is the hash of
    itoa: itoa::Buffer,
}

impl<'a> EventWriter<'a> {
    pub fn new(words: &'a Words) -> Self {
        let mut of_rule = String::new();
        write!(
            of_rule,
            r#","pack":"{PACK}","rule":"{RULE}","ruleset":"{}","cause":"rule","severity":"{SEVERITY}","category":"{CATEGORY}","title":"{TITLE}","count":1,"msgids":["#,
            words.digest
        )
        .unwrap();
        let headers = OwnedHeaders::new_with_capacity(8)
            .insert(Header { key: "ce_specversion", value: Some("1.0") })
            .insert(Header { key: "ce_source", value: Some(SOURCE) })
            .insert(Header { key: "ce_type", value: Some(TYPE) })
            .insert(Header { key: "content-type", value: Some("application/json") });
        EventWriter { words, of_rule, headers, name: Vec::new(), itoa: itoa::Buffer::new() }
    }

    /// Writes the data into `out` and returns the headers. `key` is corpid/subject; there are hits.
    pub fn write(
        &mut self,
        envelope: &Envelope,
        subject: &str,
        key: &[u8],
        clock_ms: i64,
        sequence: u64,
        hits: &[Hit],
        out: &mut Vec<u8>,
    ) -> OwnedHeaders {
        let m = &envelope.message;
        let id = self.id(&envelope.corpid, subject, &m.msgid);
        self.data(envelope, subject, clock_ms, &id, hits, out);
        self.headers
            .clone()
            .insert(Header { key: "ce_id", value: Some(&id[..]) })
            .insert(Header { key: "ce_time", value: Some(&time_of(m.msgtime)[..]) })
            .insert(Header { key: "ce_subject", value: Some(key) })
            .insert(Header { key: "ce_sequence", value: Some(&digits_20(sequence)[..]) })
    }

    /// UUID version 5 of type, corp, subject, message, pack, rule, target and cause.
    fn id(&mut self, corpid: &str, subject: &str, msgid: &str) -> [u8; 36] {
        self.name.clear();
        self.name.extend_from_slice(&NAMESPACE);
        for part in [TYPE, corpid, subject, msgid, PACK, RULE, "", "rule"] {
            self.name.extend_from_slice(part.as_bytes());
            self.name.push(0x1f);
        }
        self.name.pop();
        let hash: [u8; 20] = Sha1::digest(&self.name).into();
        let mut id = [0; 36];
        uuid::Builder::from_sha1_bytes(hash[..16].try_into().unwrap())
            .into_uuid()
            .hyphenated()
            .encode_lower(&mut id);
        id
    }

    fn data(
        &mut self,
        envelope: &Envelope,
        subject: &str,
        clock_ms: i64,
        id: &[u8; 36],
        hits: &[Hit],
        out: &mut Vec<u8>,
    ) {
        let m = &envelope.message;
        let from_customer = is_customer(&m.from);
        out.clear();
        put_text(out, "{\"corpid\":", &envelope.corpid);
        put_text(out, ",\"external_userid\":", if is_customer(subject) { subject } else { "" });
        put_userids(out, m);
        put_text(out, ",\"roomid\":", &m.roomid);
        put(out, match (m.people().any(is_customer), m.roomid.is_empty()) {
            (false, _) => ",\"chat\":\"internal\"",
            (true, true) => ",\"chat\":\"single\"",
            (true, false) => ",\"chat\":\"group\"",
        });
        put_text(out, ",\"from\":", &m.from);
        put(out, if from_customer { ",\"from_role\":\"customer\"" } else { ",\"from_role\":\"staff\"" });
        put_text(out, ",\"msgid\":", &m.msgid);
        put_number(out, &mut self.itoa, ",\"msgtime\":", m.msgtime);
        put(out, if m.msgtime < clock_ms - LATE_MS { ",\"late\":true" } else { ",\"late\":false" });
        put(out, &self.of_rule);
        put_text(out, "", &m.msgid);
        put(out, "],\"alert_id\":\"");
        out.extend_from_slice(id);
        put(out, "\",\"recalled\":false,\"evidence\":[");
        let text = m.text.as_ref().map_or("", |t| &t.content);
        let (mut from, mut chars) = (0, 0); // each goes on counting where the last began
        for (i, hit) in hits.iter().take(EVIDENCE_MAX).enumerate() {
            let (start, end) = (hit.start as usize, hit.end as usize);
            chars += text[from..start].chars().count();
            from = start;
            let word = &self.words.quoted[hit.word as usize];
            put(out, if i == 0 { "{\"field\":\"text.content\"" } else { ",{\"field\":\"text.content\"" });
            put_number(out, &mut self.itoa, ",\"start\":", hit.start);
            put_number(out, &mut self.itoa, ",\"end\":", hit.end);
            put_number(out, &mut self.itoa, ",\"char_start\":", chars as u64);
            put_number(out, &mut self.itoa, ",\"char_end\":", (chars + text[start..end].chars().count()) as u64);
            put(out, ",\"text\":");
            put(out, word); // nothing is folded: the text is the word
            put(out, ",\"word\":");
            put(out, word);
            put(out, ",\"folds\":[],\"forwarded\":false}");
        }
        put(out, if hits.len() > EVIDENCE_MAX { "],\"truncated\":true}" } else { "]}" });
    }
}

/// The staff in the conversation, each once.
fn put_userids(out: &mut Vec<u8>, m: &Message) {
    put(out, ",\"userids\":[");
    let mut count = 0;
    for (i, id) in m.people().enumerate() {
        if count == USERIDS_MAX || is_customer(id) || m.people().take(i).any(|other| other == id) {
            continue;
        }
        put_text(out, if count == 0 { "" } else { "," }, id);
        count += 1;
    }
    out.push(b']');
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn put_number(out: &mut Vec<u8>, itoa: &mut itoa::Buffer, member: &str, n: impl itoa::Integer) {
    put(out, member);
    put(out, itoa.format(n));
}

/// What needs no escapes, which is almost all, is copied: seen by vectors, not byte by byte.
fn put_text(out: &mut Vec<u8>, member: &str, text: &str) {
    put(out, member);
    if text.bytes().fold(false, |odd, b| odd | (b < 0x20) | (b == b'"') | (b == b'\\')) {
        serde_json::to_writer(out, text).unwrap();
        return;
    }
    out.push(b'"');
    put(out, text);
    out.push(b'"');
}

fn put_digits(out: &mut [u8], mut n: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

fn digits_20(n: u64) -> [u8; 20] {
    let mut out = [0; 20];
    put_digits(&mut out, n);
    out
}

/// 2023-11-14T22:13:20.123Z; the calendar is that of H. Hinnant, "chrono-compatible low-level date algorithms".
fn time_of(ms: i64) -> [u8; 24] {
    let (days, ms) = (ms.div_euclid(86_400_000) + 719_468, ms.rem_euclid(86_400_000) as u64);
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March on
    let mut out = *b"0000-00-00T00:00:00.000Z";
    put_digits(&mut out[0..4], (era * 400 + year + i64::from(month > 9)) as u64);
    put_digits(&mut out[5..7], (month + if month < 10 { 3 } else { -9 }) as u64);
    put_digits(&mut out[8..10], (day - (153 * month + 2) / 5 + 1) as u64);
    put_digits(&mut out[11..13], ms / 3_600_000);
    put_digits(&mut out[14..16], ms / 60_000 % 60);
    put_digits(&mut out[17..19], ms / 1000 % 60);
    put_digits(&mut out[20..23], ms % 1000);
    out
}
