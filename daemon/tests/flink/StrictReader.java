import org.apache.flink.runtime.rest.messages.MessageHeaders;
import org.apache.flink.runtime.rest.util.RestMapperUtils;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

import java.lang.reflect.Constructor;
import java.nio.file.Path;
import java.nio.file.Paths;

/**
 * Reads answers as Flink's own clients do, which refuse a field that they do not know. Arguments: pairs of the class
 * that describes a request and the file with an answer to it.
 *
 * <p>What was read is written again. It has to have the very fields and values that came, so that nothing was
 * passed over or filled in.
 */
public class StrictReader {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = RestMapperUtils.getStrictObjectMapper();
        boolean same = true;
        for (int next = 0; next < arguments.length; next += 2) {
            Constructor<?> make =
                    Class.forName("org.apache.flink.runtime.rest.messages." + arguments[next]).getDeclaredConstructor();
            make.setAccessible(true);
            MessageHeaders<?, ?, ?> headers = (MessageHeaders<?, ?, ?>) make.newInstance();
            Class<?>[] parameters = headers.getResponseTypeParameters().toArray(new Class<?>[0]);
            JsonNode came = mapper.readTree(Paths.get(arguments[next + 1]).toFile());
            Object read =
                    mapper.readValue(
                            mapper.treeAsTokens(came),
                            mapper.getTypeFactory().constructParametricType(headers.getResponseClass(), parameters));
            JsonNode written = mapper.readTree(mapper.writeValueAsString(read));
            if (!written.equals(came)) {
                System.out.println(arguments[next] + "\n came    " + came + "\n written " + written);
                same = false;
            }
        }
        System.exit(same ? 0 : 1);
    }
}
