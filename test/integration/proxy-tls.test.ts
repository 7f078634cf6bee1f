import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import type net from "node:net";
import { join } from "node:path";
import type tls from "node:tls";
import { describe, expect, test } from "vitest";
import { frameType } from "../../proxy/hold/http2.ts";
import { type CertificateFiles, pem, TestCa } from "../helpers/certificates.ts";
import { freePort } from "../helpers/free-port.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, testPool } from "../helpers/test-proxy.ts";

const h2 = { ALPNProtocols: ["h2"], servername: "localhost" };

async function makeCertificates() {
	const ca = await TestCa.create();
	const server = await ca.sign("proxy", ["DNS:localhost", "DNS:other.example"]);
	const client = await ca.sign("client", ["URI:spiffe://builds/ci"]);
	return { ca, server, client };
}

function terminate(files: CertificateFiles, allowClients: readonly string[] = []) {
	return { t: "terminate", files, clientAuth: "required", allowClients } as const;
}

/** The message of the first gRPC failure that the client is sent. */
async function failure(client: RawClient): Promise<string> {
	const { payload } = await client.frame((f) => f.type === frameType.headers);
	return payload.toString("latin1");
}

describe("TLS that ends at the proxy", () => {
	test.each([
		["a plaintext daemon", false],
		["a daemon with mutual TLS of its own", true],
	])("holds a client as ever, and relays to %s", async (_what, secureDaemon) => {
		const { ca, server, client: clientFiles } = await makeCertificates();
		const daemonFiles = await ca.sign("daemon", ["DNS:buildkitd"]);
		const proxyFiles = await ca.sign("proxy-client");
		const { port, source, moves, until } = await startTestProxy({
			tls: terminate(server),
			daemonTls: secureDaemon ? { files: proxyFiles, serverName: "buildkitd" } : undefined,
		});
		const client = await RawClient.opened(port, { ...h2, ...pem(clientFiles) });
		expect((client.socket as tls.TLSSocket).alpnProtocol).toBe("h2");
		await until(() => moves.at(-1)?.state === "waiting");
		const secure = { ...pem(daemonFiles), requestCert: true, rejectUnauthorized: true };
		const daemon = await startStandIn(undefined, secureDaemon ? secure : undefined);
		source.set([daemon.port]);
		await client.frame((f) => f.length === daemonSettings.length - 9);
		await until(() => moves.at(-1)?.state === "live");
		if (secureDaemon) {
			const { subject } = (daemon.connections[0]!.socket as tls.TLSSocket).getPeerCertificate();
			expect(subject.CN).toBe("proxy-client");
		}
		client.socket.end();
		await until(() => moves.at(-1)?.state === "closed");
		expect(moves.at(-1)).toMatchObject({ reason: "clientClosed" });
	});

	test("takes clients that offer no ALPN, as buildx does, and no lower version than 1.2", async () => {
		const { server, client } = await makeCertificates();
		const { port, closedCount } = await startTestProxy({ tls: terminate(server) });
		const secure = { servername: "localhost", ...pem(client) };
		expect((await RawClient.opened(port, { ...secure, maxVersion: "TLSv1.2" })).socket.destroyed).toBe(false);
		const old = {
			...secure,
			minVersion: "TLSv1",
			maxVersion: "TLSv1.1",
			ciphers: "DEFAULT@SECLEVEL=0",
		} as const;
		await expect(RawClient.connect(port, old)).rejects.toThrow(/protocol version/);
		await expect(RawClient.connect(port, { ...secure, ALPNProtocols: ["http/1.1"] })).rejects.toThrow(
			/no application protocol/,
		);
		expect(await closedCount("tlsFailed")).toBe(2);
	});

	test("tells a client with a wrong certificate why, in its terminal, and it is no demand", async () => {
		const { ca, server } = await makeCertificates();
		const stranger = await (await TestCa.create()).sign("stranger");
		const expired = await ca.sign("late", [], { days: -1 });
		const other = await ca.sign("other", ["DNS:other.ci"]);
		const { port, events, moves, until } = await startTestProxy({
			tls: terminate(server, ["cn:ci-*", "uri:spiffe://*"]),
		});
		const trusted = pem(server).ca;
		const refused = async (files?: CertificateFiles) => {
			const secure = { ...h2, ...(files && pem(files)), ca: trusted };
			return failure(await RawClient.opened(port, secure));
		};
		expect(await refused()).toContain("a client certificate is needed");
		expect(await refused(expired)).toContain("is not accepted: it has expired");
		expect(await refused(stranger)).toContain("it is not signed by this pool's client CA");
		expect(await refused(other)).toContain("dns:other.ci, cn:other may not use this pool");
		expect(events.filter(({ type }) => type === "connection.opened")).toEqual([]);
		const allowed = await RawClient.opened(port, { ...h2, ...pem(await ca.sign("ci-7")) });
		await allowed.frame((f) => f.type === frameType.settings);
		await until(() => moves.at(-1)?.state === "waiting");
	});

	test("a renegotiating client is ended", async () => {
		const { server, client } = await makeCertificates();
		const { port, moves, until } = await startTestProxy({ tls: terminate(server) });
		const secure = { servername: "localhost", ...pem(client), maxVersion: "TLSv1.2" } as const;
		const renegotiating = await RawClient.opened(port, secure);
		await until(() => moves.at(-1)?.state === "waiting");
		(renegotiating.socket as tls.TLSSocket).renegotiate({}, () => {});
		await renegotiating.closed;
		await until(() => moves.at(-1)?.state === "closed");
	});

	test("moves 16 MB each way through TLS on both sides, unchanged", async () => {
		const { ca, server, client: clientFiles } = await makeCertificates();
		const daemonFiles = await ca.sign("daemon", ["DNS:buildkitd"]);
		const chunks = Array.from({ length: 64 }, (_, i) => randomBytes(1 << (i % 19)));
		const expected = chunks.reduce((hash, chunk) => hash.update(chunk), createHash("sha256")).digest("hex");
		const received = (socket: net.Socket, skip: number, slow: boolean) => {
			const hash = createHash("sha256");
			let left = skip;
			return new Promise<string>((resolve) => {
				socket.on("data", (chunk: Buffer) => {
					hash.update(chunk.subarray(Math.min(left, chunk.length)));
					left = Math.max(0, left - chunk.length);
					if (!slow) return;
					socket.pause();
					setImmediate(() => socket.resume());
				});
				socket.on("end", () => resolve(hash.digest("hex")));
			});
		};
		const { port, source, proxy, until } = await startTestProxy({
			tls: terminate(server),
			daemonTls: { files: { ...daemonFiles }, serverName: "buildkitd" },
		});
		let daemonGot: Promise<string> | undefined;
		const daemon = await startStandIn((socket) => {
			socket.write(daemonSettings);
			daemonGot = received(socket, 0, true);
		}, pem(daemonFiles));
		source.set([daemon.port]);
		const client = await RawClient.opened(port, {
			...h2,
			...pem(clientFiles),
			allowHalfOpen: true,
		} as tls.ConnectionOptions);
		await client.frame((f) => f.length === 6);
		const before = daemon.connections[0]!.received.length;
		expect(before).toBeGreaterThan(0);
		const clientGot = received(client.socket, 0, true);
		const socket = daemon.connections[0]!.socket;
		for (const chunk of chunks) {
			client.socket.write(chunk);
			socket.write(chunk);
		}
		client.socket.end();
		socket.end();
		expect(await clientGot).toBe(expected);
		await daemonGot;
		const all = daemon.connections[0]!.received.subarray(before);
		expect(createHash("sha256").update(all).digest("hex")).toBe(expected);
		await until(() => proxy.state().pools[0]?.connections.length === 0);
	});
});

describe("TLS that passes through", () => {
	test("reaches the daemon untouched, also one that comes late", async () => {
		const { ca, client: clientFiles } = await makeCertificates();
		const daemonFiles = await ca.sign("daemon", ["DNS:localhost"]);
		const { port, source, moves, events, until } = await startTestProxy({ tls: { t: "passthrough" } });
		const opening = RawClient.opened(port, { ...h2, ...pem(clientFiles) });
		await until(() => moves.at(-1)?.state === "waiting");
		const daemon = await startStandIn(undefined, {
			...pem(daemonFiles),
			ALPNProtocols: ["h2"],
			requestCert: true,
		});
		source.set([daemon.port]);
		const client = await opening;
		expect((client.socket as tls.TLSSocket).getPeerCertificate().subject.CN).toBe("daemon");
		await client.frame((f) => f.length === 6);
		client.socket.end();
		await until(() => events.at(-1)?.type === "connection.closed");
		expect(events.at(-1)).toMatchObject({ connection: { reason: "clientClosed", daemon: "daemon-0" } });
	});

	test("is let go after 18 s, before the client gives up, and counted", async () => {
		const { client: clientFiles } = await makeCertificates();
		const { port, clock, moves, events, until, closedCount } = await startTestProxy({
			tls: { t: "passthrough" },
		});
		const opening = RawClient.connect(port, { ...h2, ...pem(clientFiles) });
		const ended = expect(opening).rejects.toThrow(/disconnected|reset/);
		await until(() => moves.at(-1)?.state === "waiting");
		clock.advance(17_999);
		expect(moves.at(-1)?.state).toBe("waiting");
		clock.advance(1);
		await ended;
		await until(() => events.at(-1)?.type === "connection.closed");
		expect(events.at(-1)).toMatchObject({ connection: { reason: "passthroughWait" } });
		expect(await closedCount("passthroughWait")).toBe(1);
	});

	test("moves bulk both ways as plaintext does", async () => {
		const { ca, client: clientFiles } = await makeCertificates();
		const daemonFiles = await ca.sign("daemon", ["DNS:localhost"]);
		const { port, source } = await startTestProxy({ tls: { t: "passthrough" } });
		const daemon = await startStandIn((socket) => socket.pipe(socket), pem(daemonFiles));
		source.set([daemon.port]);
		const client = await RawClient.connect(port, { ...h2, ...pem(clientFiles) });
		const bytes = randomBytes(1 << 20);
		client.send(bytes);
		await new Promise<void>((resolve) => {
			client.socket.on("data", () => client.received.length === bytes.length && resolve());
		});
		expect(client.received.equals(bytes)).toBe(true);
	});
});

describe("several pools on one port", () => {
	test("are told apart by server name, each with its own TLS", async () => {
		const { ca, server, client } = await makeCertificates();
		const passthroughFiles = await ca.sign("daemon", ["DNS:b.example", "DNS:x.wild.example"]);
		const listen = { host: "127.0.0.1", port: await freePort() };
		const { proxy, pool, closedCount, until, moves } = await startTestProxy();
		const a = testPool({ name: "a", listen, tls: terminate(server), serverNames: ["a.example"] });
		const passthrough = { t: "passthrough" } as const;
		const b = testPool({ name: "b", listen, tls: passthrough, serverNames: ["b.example", "*.wild.example"] });
		await proxy.apply([pool, a, b]);
		const daemonA = await startStandIn();
		const daemonB = await startStandIn(undefined, pem(passthroughFiles));
		a.source.set([daemonA.port]);
		b.source.set([daemonB.port]);
		const trust = { ALPNProtocols: ["h2"], ...pem(client), checkServerIdentity: () => undefined };
		const toA = await RawClient.opened(listen.port, { ...trust, servername: "A.example" });
		const toB = await RawClient.opened(listen.port, { ...trust, servername: "x.wild.example" });
		await toA.frame((f) => f.length === 6);
		await toB.frame((f) => f.length === 6);
		await until(() => moves.filter(({ state }) => state === "live").length === 2);
		expect([daemonA.connections.length, daemonB.connections.length]).toEqual([1, 1]);
		await expect(RawClient.connect(listen.port, { ...trust, servername: "c.example" })).rejects.toThrow(
			/unrecognized name/,
		);
		expect(await closedCount("unknownServerName")).toBe(1);
	});
});

describe("certificates that change", () => {
	test("are taken up without dropping anyone, also by symlink swaps; wrong ones are not", async () => {
		const { ca, server, client } = await makeCertificates();
		// As the kubelet lays a secret out: files are links into ..data, which is a link to a folder.
		const secret = join(ca.folder, "secret");
		const version = (name: string, files: CertificateFiles) => {
			const folder = join(secret, `..${name}`);
			mkdirSync(folder, { recursive: true });
			for (const file of ["ca", "cert", "key"] as const)
				copyFileSync(files[file], join(folder, `${file}.pem`));
			symlinkSync(`..${name}`, join(secret, "..data-new"));
			renameSync(join(secret, "..data-new"), join(secret, "..data"));
		};
		version("1", server);
		const files = {
			ca: join(secret, "ca.pem"),
			cert: join(secret, "cert.pem"),
			key: join(secret, "key.pem"),
		};
		for (const file of ["ca", "cert", "key"]) symlinkSync(`..data/${file}.pem`, join(secret, `${file}.pem`));
		const { port, source, clock, moves, until } = await startTestProxy({ tls: terminate(files) });
		const secure = { ...h2, ...pem(client) };
		const seen = async () => {
			const probe = await RawClient.connect(port, secure);
			const { subject } = (probe.socket as tls.TLSSocket).getPeerCertificate();
			probe.socket.destroy();
			return subject.CN;
		};
		const held = await RawClient.opened(port, secure);
		await until(() => moves.at(-1)?.state === "waiting");
		expect(await seen()).toBe("proxy");
		version("2", await ca.sign("renewed", ["DNS:localhost"]));
		clock.advance(5_000);
		expect(await seen()).toBe("renewed");
		writeFileSync(files.key, "not a key");
		clock.advance(5_000);
		expect(await seen()).toBe("renewed");
		const daemon = await startStandIn();
		source.set([daemon.port]);
		await held.frame((f) => f.length === 6);
	});
});

describe("what is no TLS client", () => {
	test.each([
		["plaintext HTTP/2", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "notTls"],
		["a hello that says it is far too long", Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]), "tlsFailed"],
		["an alert first", Buffer.from([21, 3, 1, 0, 2, 2, 40]), "notTls"],
		["a record without bytes", Buffer.from([22, 3, 1, 0, 0]), "tlsFailed"],
	])("%s is closed and counted", async (_what, bytes, reason) => {
		const { port, closedCount, proxy } = await startTestProxy({ tls: { t: "passthrough" } });
		const client = await RawClient.connect(port);
		client.send(bytes);
		await client.closed;
		expect(await closedCount(reason)).toBe(1);
		expect(proxy.state().pools[0]?.connections).toEqual([]);
	});

	test("a client that says nothing is closed after 10 s; one that leaves is forgotten", async () => {
		const { port, clock, until, closedCount } = await startTestProxy({ tls: { t: "passthrough" } });
		const silent = await RawClient.connect(port);
		const leaving = await RawClient.connect(port);
		leaving.send(Buffer.from([22, 3]));
		await until(() => clock.pending > 3);
		leaving.socket.end();
		await leaving.closed;
		clock.advance(10_000);
		await silent.closed;
		expect(await closedCount("noPreface")).toBe(2);
	});
});
