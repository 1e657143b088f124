# Passes on whatever comes to the port argv[1]; its own is written to argv[2].
import os, socket, sys, threading

def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

server = socket.create_server(("127.0.0.1", 0), backlog=100)
with open(sys.argv[2] + ".draft", "w") as port:
    port.write(f"{server.getsockname()[1]}\n")
os.rename(sys.argv[2] + ".draft", sys.argv[2])
while True:
    client, _ = server.accept()
    flink = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for pair in ((client, flink), (flink, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
