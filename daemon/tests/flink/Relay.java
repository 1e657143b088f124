import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;

/** Passes on whatever comes to the port of the first argument; its own is written to the second one. */
public class Relay {
    public static void main(String[] arguments) throws IOException {
        InetAddress here = InetAddress.getByName("127.0.0.1");
        ServerSocket server = new ServerSocket(0, 100, here);
        Files.writeString(Path.of(arguments[1]), server.getLocalPort() + "\n");
        while (true) {
            Socket client = server.accept();
            Socket flink = new Socket(here, Integer.parseInt(arguments[0]));
            copy(client, flink);
            copy(flink, client);
        }
    }

    private static void copy(Socket from, Socket to) {
        Thread thread =
                new Thread(
                        () -> {
                            try {
                                from.getInputStream().transferTo(to.getOutputStream());
                                to.shutdownOutput();
                            } catch (IOException ended) {
                                // One of the two has gone.
                            }
                        });
        thread.setDaemon(true);
        thread.start();
    }
}
