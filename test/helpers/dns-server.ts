import dgram from "node:dgram";
import { once } from "node:events";
import net, { type AddressInfo, isIPv6 } from "node:net";
import { onTestFinished } from "vitest";

interface Srv {
	readonly target: string;
	readonly port: number;
}

/** What the server says of one name. */
export type Zone =
	| { readonly addresses?: readonly string[]; readonly services?: readonly Srv[] }
	| "SERVFAIL"
	| "REFUSED"
	/** No answer. */
	| "silent";

const types: Readonly<Record<number, "A" | "AAAA" | "SRV">> = { 1: "A", 28: "AAAA", 33: "SRV" };
const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
/** A larger answer over UDP is cut, so that the client asks by TCP. */
const maxUdpBytes = 512;

/** A DNS server whose every answer is the test's; real sockets, UDP and TCP (RFC 1035). Names it lacks do not exist. */
export class DnsServer {
	readonly names = new Map<string, Zone>();
	/** Each query, such as "A buildkitd.example". */
	readonly queries: string[] = [];
	readonly address: string;
	#tcpQueries = 0;

	private constructor(address: string) {
		this.address = address;
	}

	static async start(): Promise<DnsServer> {
		const tcp = net.createServer();
		await once(tcp.listen(0, "127.0.0.1"), "listening");
		const { port } = tcp.address() as AddressInfo;
		const udp = dgram.createSocket("udp4");
		udp.bind(port, "127.0.0.1");
		await once(udp, "listening");
		const server = new DnsServer(`127.0.0.1:${port}`);
		udp.on("message", (query, from) => {
			const answer = server.#answer(query);
			if (answer === undefined) return;
			const sent = answer.length > maxUdpBytes ? truncated(query) : answer;
			udp.send(sent, from.port, from.address);
		});
		tcp.on("connection", (socket) => {
			let received = Buffer.alloc(0);
			socket.on("error", () => {});
			socket.on("data", (chunk: Buffer) => {
				received = Buffer.concat([received, chunk]);
				while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
					const end = 2 + received.readUInt16BE(0);
					const answer = server.#answer(received.subarray(2, end));
					received = received.subarray(end);
					server.#tcpQueries++;
					if (answer !== undefined) socket.write(Buffer.concat([uint16(answer.length), answer]));
				}
			});
		});
		onTestFinished(() => {
			udp.close();
			tcp.close();
		});
		return server;
	}

	get tcpQueries(): number {
		return this.#tcpQueries;
	}

	#answer(query: Buffer): Buffer | undefined {
		const { name, type, end } = readQuestion(query);
		this.queries.push(`${type ?? "?"} ${name}`);
		const zone = this.names.get(name);
		if (zone === "silent") return undefined;
		const question = query.subarray(12, end);
		if (typeof zone === "string") return message(query, rcodes[zone], question, []);
		if (zone === undefined) return message(query, rcodes.NXDOMAIN, question, []);
		return message(query, rcodes.NOERROR, question, recordsOf(zone, type));
	}
}

function recordsOf(zone: Exclude<Zone, string>, type: "A" | "AAAA" | "SRV" | undefined): Buffer[] {
	const { addresses = [], services = [] } = zone;
	switch (type) {
		case "A":
			return addresses
				.filter((one) => !isIPv6(one))
				.map((one) => record(1, Buffer.from(one.split(".").map(Number))));
		case "AAAA":
			return addresses.filter(isIPv6).map((one) => record(28, ipv6(one)));
		case "SRV":
			return services.map(({ target, port }) =>
				record(33, Buffer.concat([uint16(0), uint16(100), uint16(port), encodeName(target)])),
			);
		default:
			return [];
	}
}

function readQuestion(query: Buffer) {
	const labels: string[] = [];
	let at = 12;
	for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
		labels.push(query.toString("latin1", at + 1, at + 1 + length));
		at += 1 + length;
	}
	return { name: labels.join("."), type: types[query.readUInt16BE(at + 1)], end: at + 5 };
}

function message(query: Buffer, rcode: number, question: Buffer, answers: readonly Buffer[]): Buffer {
	const counts = [1, answers.length, 0, 0].map(uint16);
	// An answer (QR, AA) of a server that recurses (RD, RA).
	return Buffer.concat([query.subarray(0, 2), uint16(0x8580 | rcode), ...counts, question, ...answers]);
}

function truncated(query: Buffer): Buffer {
	const { end } = readQuestion(query);
	const cut = message(query, rcodes.NOERROR, query.subarray(12, end), []);
	cut[2] = (cut[2] ?? 0) | 0x02;
	return cut;
}

/** Of the name that was asked for (a pointer to it), with a TTL of 30 s. */
function record(type: number, data: Buffer): Buffer {
	const ttl = Buffer.from([0, 0, 0, 30]);
	return Buffer.concat([uint16(0xc00c), uint16(type), uint16(1), ttl, uint16(data.length), data]);
}

function encodeName(name: string): Buffer {
	const labels = name
		.split(".")
		.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
	return Buffer.concat([...labels, Buffer.from([0])]);
}

/** Of an address such as fd00::1, "::" once. */
function ipv6(address: string): Buffer {
	const [head = "", tail = ""] = address.split("::");
	const groups = (text: string) => (text === "" ? [] : text.split(":"));
	const missing = 8 - groups(head).length - groups(tail).length;
	const all = [...groups(head), ...Array.from({ length: missing }, () => "0"), ...groups(tail)];
	return Buffer.concat(all.map((group) => uint16(Number.parseInt(group, 16))));
}

function uint16(value: number): Buffer {
	const bytes = Buffer.alloc(2);
	bytes.writeUInt16BE(value);
	return bytes;
}
