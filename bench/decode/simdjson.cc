/* simdjson.cc - simdjson alone, on demand and DOM. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "peers.h"

#include <simdjson.h>
#include <string>

using namespace simdjson;

static uint64_t size_of(simdjson_result<ondemand::value> value)
{
	return std::string_view(value.get_string()).size();
}

static uint64_t read_one(ondemand::parser &parser, const struct line &line)
{
	ondemand::document doc = parser.iterate(line.data, line.len, line.len + SIMDJSON_PADDING);
	uint64_t sum = size_of(doc["corpid"]);
	sum += uint64_t(doc["seq"]);
	sum += uint64_t(doc["recv_ts"]);
	ondemand::object message = doc["message"];
	sum += size_of(message["msgid"]);
	sum += size_of(message["action"]);
	sum += size_of(message["from"]);
	for (auto id : message["tolist"].get_array())
		sum += std::string_view(id.get_string()).size();
	sum += size_of(message["roomid"]);
	sum += uint64_t(message["msgtime"]);
	sum += size_of(message["msgtype"]);
	ondemand::object text;
	if (message["text"].get(text) == SUCCESS)
		sum += size_of(text["content"]);
	return sum;
}

uint64_t peer_ondemand(const struct line *lines, size_t count)
{
	static ondemand::parser parser;
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += read_one(parser, lines[i]);
	return sum;
}

uint64_t peer_dom(const struct line *lines, size_t count)
{
	static dom::parser parser;
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++) {
		dom::element doc = parser.parse(lines[i].data, lines[i].len, false);
		sum += doc["corpid"].get_string_length();
		sum += uint64_t(doc["seq"]) + uint64_t(doc["recv_ts"]);
		dom::element message = doc["message"];
		for (const char *key : {"msgid", "action", "from", "roomid", "msgtype"})
			sum += message[key].get_string_length();
		for (dom::element id : message["tolist"])
			sum += id.get_string_length();
		sum += uint64_t(message["msgtime"]);
		dom::element text;
		if (message["text"]["content"].get(text) == SUCCESS)
			sum += text.get_string_length();
	}
	return sum;
}

const char *peer_simdjson_name(void)
{
	static std::string name = get_active_implementation()->name() + ", on demand " +
				  builtin_implementation()->name();
	return name.c_str();
}
