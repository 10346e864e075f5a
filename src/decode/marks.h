/* marks.h - what in a text is not the sender's own plain words: quotations, emoticons, mentions.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Quotation (WECOM.md section 4): at the start of a text, perhaps behind the line
 * «这是一条引用/回复消息：» or «This is a quote/reply:»,
 *	“NAME：⏎ … ⏎------⏎own           as WeCom writes it
 *	「NAME： … ⏎- - - - - - - - - - - - - - -⏎own     as WeChat writes it for customers
 * up to the first line that is exactly the row of hyphens of that form. Curly, straight and
 * corner quotation marks and both colons occur, and lines may end in CR LF.
 *
 * Emoticon: a name of the table in emoticons.c, in brackets. `[加微信]` is text.
 *
 * Mention: @NAME up to U+2005 (which WeChat puts behind it), a blank, a punctuation mark or the
 * end, at most 32 characters; an @ behind a letter or digit is part of an address.
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "model.h"

/* Bytes of the quoted part, with the row of hyphens and its line end; 0 if nothing is quoted. */
size_t marks_quoted(struct str text);

/* Appends the emoticons and mentions of `text` to `spans` (struct span), by start. */
void marks_spans(struct str text, struct buf *spans);

/* True if behind `start` there is nothing but emoticons of `spans` and blanks. */
bool marks_only_emoticons(struct str text, size_t start, const struct span *spans, size_t count);

/* True if `name` (without brackets) is one of WeChat's or WeCom's emoticons. */
bool emoticon_known(struct str name);
