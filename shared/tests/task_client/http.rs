//! Server-sent events over a real socket.
