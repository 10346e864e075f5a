// Match.java - matching alone by AhoCorasickDoubleArrayTrie, for B1.
// SPDX-License-Identifier: Apache-2.0
//
// Usage: Match TEXTS WORDS ROUNDS      prints {"texts": …, "hits": …, "us": [CPU time of a round …]}
// Two rounds before them warm the compiler.
package peer;

import com.hankcs.algorithm.AhoCorasickDoubleArrayTrie;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.StringJoiner;
import java.util.TreeMap;

public final class Match {
    private static final int WARM = 2;

    public static void main(String[] args) throws Exception {
        TreeMap<String, String> words = new TreeMap<>();
        for (String line : Files.readAllLines(Path.of(args[1]))) {
            if (!line.isEmpty() && !line.startsWith("#")) {
                words.put(line, line);
            }
        }
        AhoCorasickDoubleArrayTrie<String> trie = new AhoCorasickDoubleArrayTrie<>();
        trie.build(words);
        List<String> texts = Files.readAllLines(Path.of(args[0])).stream().filter(t -> !t.isEmpty()).toList();
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        StringJoiner took = new StringJoiner(", ");
        long[] hits = new long[1];
        AhoCorasickDoubleArrayTrie.IHit<String> count = (begin, end, value) -> hits[0]++;
        for (int round = -WARM; round < Integer.parseInt(args[2]); round++) {
            hits[0] = 0;
            long start = threads.getCurrentThreadCpuTime();
            for (String text : texts) {
                trie.parseText(text, count);
            }
            if (round >= 0) {
                took.add(Long.toString((threads.getCurrentThreadCpuTime() - start) / 1000));
            }
        }
        System.out.println("{\"texts\": " + texts.size() + ", \"hits\": " + hits[0] + ", \"us\": [" + took + "]}");
    }
}
