import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/**
 * A job whose checkpoints are as slow as a file says, while it runs. Arguments: name, interval (ms), timeout
 * (ms), file, tolerable failures, parallelism.
 *
 * <p>The first subtask of "slow" takes as many seconds for its snapshot as the file says; all others are
 * done at once. It looks at the file again and again meanwhile, so that a snapshot can be let go, or held up
 * for longer, from outside. The job fails once when there is a file of the same name with ".fail" after it, and its
 * tasks do not come to run while there is one with ".gate". Only what is the same from Flink 1.15 to 2.3 is used.
 */
public class SlowJob {
    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(Integer.parseInt(arguments[5]));
        environment.enableCheckpointing(Long.parseLong(arguments[1]));
        environment.getCheckpointConfig().setCheckpointTimeout(Long.parseLong(arguments[2]));
        environment.getCheckpointConfig().setTolerableCheckpointFailureNumber(Integer.parseInt(arguments[4]));
        environment
                .fromSource(
                        new NumberSequenceSource(0, Long.MAX_VALUE / 2),
                        WatermarkStrategy.noWatermarks(),
                        "numbers")
                // Before the exchange: otherwise the records in its buffers hold barriers back for minutes.
                .map(new Trickle())
                .name("trickle")
                .rebalance()
                .map(new Slow(arguments[3]))
                .name("slow");
        environment.execute(arguments[0]);
    }

    /** A few records a second. */
    public static class Trickle implements MapFunction<Long, Long> {
        @Override
        public Long map(Long number) throws Exception {
            Thread.sleep(50);
            return number;
        }
    }

    /** Snapshots as slow as the file says. */
    public static class Slow implements MapFunction<Long, Long>, CheckpointedFunction {
        private final String file;

        Slow(String file) {
            this.file = file;
        }

        @Override
        public Long map(Long number) throws IOException {
            // Only one subtask can delete it, and only once.
            if (Files.deleteIfExists(Paths.get(file + ".fail"))) {
                throw new IOException("told to fail");
            }
            return number;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            while (Files.exists(Paths.get(file + ".gate"))) {
                Thread.sleep(20);
            }
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            // The index of a subtask has another getter in each half of the releases; its thread's name not.
            boolean first = Thread.currentThread().getName().contains("(1/");
            long begun = System.nanoTime();
            while (first && System.nanoTime() - begun < seconds() * 1e9) {
                Thread.sleep(20);
            }
        }

        private double seconds() throws IOException {
            Path path = Paths.get(file);
            return Files.exists(path) ? Double.parseDouble(new String(Files.readAllBytes(path)).trim()) : 0;
        }
    }
}
