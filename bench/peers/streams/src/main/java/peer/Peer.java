// Peer.java - the Kafka Streams peer: the same words found in the same topic, exactly once (EOS v2).
// SPDX-License-Identifier: Apache-2.0
//
// Usage: Peer BROKERS TOPIC OUT APPLICATION THREADS COMMIT_MS WORDS STATE_DIR [state]
// Does the least that answers the question (bench/peers/README.md): no folding, no state, no
// headers. Byte arrays in and out, a streaming parser that reads only the fields it needs, a
// double-array trie shared by all threads. With «state» each event also goes into a store in memory
// under its customer, with a changelog: what B8 and B9 restore and weigh.
package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.hankcs.algorithm.AhoCorasickDoubleArrayTrie;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class Peer {
    private static final JsonFactory JSON = new JsonFactory();

    private record Message(String corpid, String msgid, String from, String to, long msgtime, String content) {}

    private static Message parse(byte[] value) throws IOException {
        String corpid = "", msgid = "", from = "", to = "", content = null;
        long msgtime = 0;
        try (JsonParser p = JSON.createParser(value)) {
            p.nextToken();
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String name = p.currentName();
                p.nextToken();
                if (name.equals("corpid")) {
                    corpid = p.getText();
                } else if (name.equals("message")) {
                    while (p.nextToken() == JsonToken.FIELD_NAME) {
                        String inner = p.currentName();
                        p.nextToken();
                        switch (inner) {
                            case "msgid" -> msgid = p.getText();
                            case "from" -> from = p.getText();
                            case "msgtime" -> msgtime = p.getLongValue();
                            case "tolist" -> {
                                while (p.nextToken() != JsonToken.END_ARRAY) {
                                    if (to.isEmpty()) {
                                        to = p.getText();
                                    }
                                }
                            }
                            case "text" -> {
                                while (p.nextToken() == JsonToken.FIELD_NAME) {
                                    boolean wanted = p.currentName().equals("content");
                                    p.nextToken();
                                    if (wanted) {
                                        content = p.getText();
                                    } else {
                                        p.skipChildren();
                                    }
                                }
                            }
                            default -> p.skipChildren();
                        }
                    }
                } else {
                    p.skipChildren();
                }
            }
        }
        return new Message(corpid, msgid, from, to, msgtime, content);
    }

    /** Byte offsets of UTF-8 from offsets of UTF-16, moving forward through the text. */
    private static int utf8Length(String text, int from, int to) {
        int bytes = 0;
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : Character.isSurrogate(c) ? 2 : 3;
        }
        return bytes;
    }

    private static KeyValue<byte[], byte[]> event(byte[] value, AhoCorasickDoubleArrayTrie<String> trie) {
        try {
            Message m = parse(value);
            if (m.content() == null) {
                return null;
            }
            List<AhoCorasickDoubleArrayTrie.Hit<String>> hits = trie.parseText(m.content());
            if (hits.isEmpty()) {
                return null;
            }
            String customer = m.from().startsWith("wm") || m.from().startsWith("wo") ? m.from() : m.to();
            ByteArrayOutputStream out = new ByteArrayOutputStream(512);
            try (JsonGenerator g = JSON.createGenerator(out)) {
                g.writeStartObject();
                g.writeStringField("corpid", m.corpid());
                g.writeStringField("external_userid", customer);
                g.writeStringField("msgid", m.msgid());
                g.writeNumberField("msgtime", m.msgtime());
                g.writeArrayFieldStart("evidence");
                for (AhoCorasickDoubleArrayTrie.Hit<String> hit : hits) {
                    int start = utf8Length(m.content(), 0, hit.begin);
                    g.writeStartObject();
                    g.writeStringField("field", "text.content");
                    g.writeNumberField("start", start);
                    g.writeNumberField("end", start + utf8Length(m.content(), hit.begin, hit.end));
                    g.writeStringField("word", hit.value);
                    g.writeEndObject();
                }
                g.writeEndArray();
                g.writeEndObject();
            }
            return KeyValue.pair((m.corpid() + "/" + customer).getBytes(StandardCharsets.UTF_8), out.toByteArray());
        } catch (IOException e) {
            return null;
        }
    }

    /** What is known of a customer: the last message with a hit, and how many there were. */
    private static void remember(StreamsBuilder builder, KStream<byte[], byte[]> events) {
        builder.addStateStore(Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore("customers"), Serdes.Bytes(), Serdes.ByteArray())
                .withLoggingEnabled(Map.of()));
        events.process(() -> new Processor<byte[], byte[], Void, Void>() {
            private KeyValueStore<Bytes, byte[]> store;

            @Override
            public void init(ProcessorContext<Void, Void> context) {
                store = context.getStateStore("customers");
            }

            @Override
            public void process(Record<byte[], byte[]> event) {
                Bytes customer = Bytes.wrap(event.key());
                byte[] known = store.get(customer);
                long count = known == null ? 0 : ByteBuffer.wrap(known).getLong();
                // msgid and msgtime stand in the event one behind the other: about 60 bytes.
                String text = new String(event.value(), StandardCharsets.UTF_8);
                int from = text.indexOf("\"msgid\""), to = text.indexOf(",\"evidence\"");
                byte[] last = text.substring(from, to).getBytes(StandardCharsets.UTF_8);
                store.put(customer, ByteBuffer.allocate(8 + last.length).putLong(count + 1).put(last).array());
            }
        }, "customers");
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 8 && !(args.length == 9 && args[8].equals("state"))) {
            System.err.println(
                    "usage: Peer BROKERS TOPIC OUT APPLICATION THREADS COMMIT_MS WORDS STATE_DIR [state]");
            System.exit(64);
        }
        TreeMap<String, String> words = new TreeMap<>();
        for (String line : Files.readAllLines(Path.of(args[6]))) {
            if (!line.isEmpty() && !line.startsWith("#")) {
                words.put(line, line);
            }
        }
        AhoCorasickDoubleArrayTrie<String> trie = new AhoCorasickDoubleArrayTrie<>();
        trie.build(words);

        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[4]);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[5]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[7]);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        p.put(StreamsConfig.producerPrefix("linger.ms"), "100");
        p.put(StreamsConfig.producerPrefix("batch.size"), "262144");
        p.put(StreamsConfig.producerPrefix("compression.type"), "zstd");
        p.put(StreamsConfig.producerPrefix("compression.zstd.level"), "1");
        p.put(StreamsConfig.consumerPrefix("max.poll.records"), "5000");
        p.put(StreamsConfig.consumerPrefix("fetch.min.bytes"), "1");
        p.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), "4194304");
        p.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        // A killed one comes back under its name at once instead of after its session's time.
        p.put(StreamsConfig.consumerPrefix("group.instance.id"), args[3]);
        p.put(StreamsConfig.consumerPrefix("session.timeout.ms"), "10000");
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");

        StreamsBuilder builder = new StreamsBuilder();
        KStream<byte[], byte[]> events = builder.stream(args[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .flatMap((key, value) -> {
                    KeyValue<byte[], byte[]> event = value == null ? null : event(value, trie);
                    return event == null ? List.<KeyValue<byte[], byte[]>>of() : List.of(event);
                });
        events.to(args[2], Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
        if (args.length == 9) {
            remember(builder, events);
        }

        CountDownLatch ended = new CountDownLatch(1);
        KafkaStreams streams = new KafkaStreams(builder.build(), p);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }
}
