import type net from "node:net";
import { ScalerError } from "./error.ts";

/** Listens, and says where (the port that was chosen for port 0). Throws LISTEN_FAILED with one readable line. */
export function listen(
	server: net.Server,
	options: { readonly host: string; readonly port: number; readonly backlog?: number },
): Promise<{ host: string; port: number }> {
	const { host, port } = options;
	return new Promise((resolve, reject) => {
		const failed = (cause: NodeJS.ErrnoException) => {
			const why = cause.code === "EADDRINUSE" ? "the address is in use" : cause.message;
			reject(new ScalerError("LISTEN_FAILED", `cannot listen on ${host}:${port}: ${why}`, { cause }));
		};
		server.once("error", failed);
		server.listen(options, () => {
			server.off("error", failed);
			const address = server.address();
			resolve({ host, port: typeof address === "object" && address !== null ? address.port : port });
		});
	});
}
