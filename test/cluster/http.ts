import { readFileSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { join } from "node:path";
import { addresses, dirs } from "./layout.ts";

const TIMEOUT_MS = 10_000;
/** A health check is asked again, so a component that hangs need not be waited for. */
const HEALTH_TIMEOUT_MS = 1_000;

type Scheme = "http" | "https";

/** A GET to one of the cluster's servers, as its administrator; gives the body of a 200 and throws otherwise. */
export function get(port: number, path: string, scheme: Scheme, timeout = TIMEOUT_MS): Promise<string> {
	return new Promise((resolve, reject) => {
		const tls = scheme === "https" ? adminTls() : {};
		const options = { host: addresses.node, port, path, timeout, agent: false, ...tls };
		const request = (scheme === "https" ? requestTls : requestPlain)(options, (response) => {
			let body = "";
			response.setEncoding("utf8").on("data", (text: string) => {
				body += text;
			});
			response.on("error", reject);
			response.on("end", () => {
				if (response.statusCode === 200) resolve(body);
				else reject(new Error(`GET ${path}: ${response.statusCode} ${body.slice(0, 300)}`));
			});
		});
		request.on("timeout", () => request.destroy(new Error(`GET ${path}: no answer in ${timeout} ms`)));
		request.on("error", reject).end();
	});
}

export async function answers(port: number, path: string, scheme: Scheme = "http"): Promise<boolean> {
	await get(port, path, scheme, HEALTH_TIMEOUT_MS);
	return true;
}

function adminTls(): { ca: Buffer; cert: Buffer; key: Buffer } {
	const read = (name: string) => readFileSync(join(dirs.pki, name));
	return { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
}
