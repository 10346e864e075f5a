// envelope.rs - a record of the archive: what is needed of its JSON, borrowed from it.
// SPDX-License-Identifier: Apache-2.0
use std::borrow::Cow;

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow)]
    pub corpid: Cow<'a, str>,
    pub recv_ts: Option<i64>,
    #[serde(borrow)]
    pub message: Message<'a>,
}

#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub msgid: Cow<'a, str>,
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    #[serde(borrow)]
    pub tolist: Vec<Id<'a>>,
    #[serde(borrow, default)]
    pub roomid: Cow<'a, str>,
    pub msgtime: i64,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
}

/// A type of its own: serde borrows a Cow as a field, not as what a Vec holds.
#[derive(Deserialize)]
pub struct Id<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[derive(Deserialize)]
pub struct Text<'a> {
    #[serde(borrow)]
    pub content: Cow<'a, str>,
}

pub fn is_customer(id: &str) -> bool {
    id.starts_with("wm") || id.starts_with("wo")
}

impl<'a> Envelope<'a> {
    /// None if it is no message, or one without text.
    pub fn read(payload: &'a [u8]) -> Option<Envelope<'a>> {
        sonic_rs::from_slice(payload).ok()
    }
}

impl Message<'_> {
    /// Sender and list.
    pub fn people(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(&*self.from).chain(self.tolist.iter().map(|id| &*id.0))
    }

    /// Whom it is about: in a room the customer who speaks or the only one there, else the room;
    /// without a room the customer, and among staff the smaller of the two ids.
    pub fn subject(&self) -> &str {
        if is_customer(&self.from) {
            return &self.from;
        }
        let mut customers = self.tolist.iter().map(|id| &*id.0).filter(|id| is_customer(id));
        match (customers.next(), self.roomid.is_empty()) {
            (Some(only), false) if customers.next().is_none() => only,
            (_, false) => &self.roomid,
            (Some(first), true) => first,
            (None, true) => self.people().take(2).min().unwrap_or(""),
        }
    }

    /// Who speaks if it is a customer, else who is spoken to first.
    pub fn customer(&self) -> &str {
        if is_customer(&self.from) {
            return &self.from;
        }
        self.tolist.first().map_or(&self.from, |id| &id.0)
    }
}
