// Jdbc.java - tag events into PostgreSQL by JDBC batches, for B5.
// SPDX-License-Identifier: Apache-2.0
//
// Usage: Jdbc URL ROWS BATCH     prints {"seconds": …}
// ROWS: lines of tab-separated columns: those of tag_event for the event, then those of customer_tag
// (bench/b5.py). A transaction every BATCH events; reWriteBatchedInserts in the URL makes the driver
// send many rows in one statement.
package peer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.util.List;

public final class Jdbc {
    public static void main(String[] args) throws Exception {
        List<String> lines = Files.readAllLines(Path.of(args[1]));
        int batch = Integer.parseInt(args[2]);
        String[] statements = {lines.get(0), lines.get(1)};
        int events = Integer.parseInt(lines.get(2));
        List<String[]> rows = lines.stream().skip(3).map(line -> line.split("\t", -1)).toList();
        try (Connection c = DriverManager.getConnection(args[0])) {
            c.setAutoCommit(false);
            long start = System.nanoTime();
            try (PreparedStatement event = c.prepareStatement(statements[0]);
                    PreparedStatement tag = c.prepareStatement(statements[1])) {
                int waiting = 0;
                for (String[] row : rows) {
                    put(event, row, 0, events);
                    put(tag, row, events, row.length);
                    if (++waiting == batch) {
                        send(c, event, tag);
                        waiting = 0;
                    }
                }
                send(c, event, tag);
            }
            System.out.println("{\"seconds\": " + (System.nanoTime() - start) / 1e9 + "}");
        }
    }

    private static void put(PreparedStatement s, String[] row, int from, int to) throws Exception {
        for (int i = from; i < to; i++) {
            s.setString(i - from + 1, row[i].equals("\\N") ? null : row[i]);
        }
        s.addBatch();
    }

    private static void send(Connection c, PreparedStatement event, PreparedStatement tag) throws Exception {
        event.executeBatch();
        tag.executeBatch();
        c.commit();
    }
}
