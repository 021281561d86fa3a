import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic twice with a bare consumer as fast as it goes and measures the second pass: the first one is for the JIT compiler.
 * Arguments: broker, topic, records. Prints one JSON object.
 */
public class PollRate {
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("max.poll.records", "50000");
        settings.put("max.partition.fetch.bytes", "8000000");
        settings.put("fetch.max.bytes", "64000000");
        String topic = arguments[1];
        long wanted = Long.parseLong(arguments[2]), bytes = 0, begun = 0, cpuBegun = 0;
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions =
                consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(partitions);
            for (int pass = 0; pass < 2; pass++) {
                consumer.seekToBeginning(partitions);
                partitions.forEach(consumer::position); // looks the offsets up, which is not what is measured
                begun = System.nanoTime();
                cpuBegun = cpu();
                bytes = poll(consumer, topic, wanted);
            }
        }
        double seconds = (System.nanoTime() - begun) / 1e9, used = (cpu() - cpuBegun) / 1e9;
        System.out.printf("{\"records\": %d, \"seconds\": %.6f, \"cpu_s\": %.3f, \"bytes\": %d}%n", wanted, seconds, used, bytes);
    }

    /** Bytes of the values of at least so many records. */
    private static long poll(KafkaConsumer<byte[], byte[]> consumer, String topic, long wanted) {
        long seen = 0, bytes = 0;
        while (seen < wanted) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(10));
            if (records.isEmpty()) {
                throw new IllegalStateException(topic + " ends after " + seen + " of " + wanted + " records");
            }
            for (ConsumerRecord<byte[], byte[]> record : records) {
                bytes += record.value() == null ? 0 : record.value().length;
            }
            seen += records.count();
        }
        return bytes;
    }

    private static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
