// Point 34 of the list, and 25 over TLS.

import { once } from "node:events";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import tls from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { type CertificateFiles, TestCa } from "../helpers/certificates.ts";
import { scaledObject } from "../helpers/scaler.ts";
import type { ClientKind, TlsOptions } from "./client.ts";
import { clientKinds, connect, endClientsAfterAll, syncedScaler, withBothClients } from "./setup.ts";

endClientsAfterAll();

const serverName = "buildkit-scaler.buildkit.svc";
const serverNames = [`DNS:${serverName}`, `DNS:${serverName}.cluster.local`];

/** A scaler whose certificate is signed by a CA of its own, and wants clients to have one of theirs. */
async function mutualTls() {
	const [serverCa, clientCa] = await Promise.all([TestCa.create(), TestCa.create()]);
	const [server, client] = await Promise.all([serverCa.sign("scaler", serverNames), clientCa.sign("keda")]);
	const started = await syncedScaler({ tls: { cert: server.cert, key: server.key, ca: client.ca } });
	started.say({ waiting: 1 });
	return { ...started, serverCa, clientCa, server, client };
}

/** How a call ends that a client with these certificates makes. */
async function outcome(kind: ClientKind, address: string, options: TlsOptions): Promise<string> {
	const keda = kind.connect(address, { tls: options });
	const { outcome } = await keda.call("IsActive", scaledObject(), { deadlineMs: 10_000 });
	await keda.close();
	return outcome;
}

withBothClients("34 TLS 1.2 and 1.3 with a private CA, for the name that KEDA was told", async (kind) => {
	const ca = await TestCa.create();
	const other = await TestCa.create();
	const server = await ca.sign("scaler", serverNames);
	const { address, say } = await syncedScaler({ tls: { cert: server.cert, key: server.key } });
	say();
	const good = { ca: server.ca, serverName };
	expect(await outcome(kind, address, good)).toBe("OK");
	expect(await outcome(kind, address, { ...good, maxVersion: "1.2" })).toBe("OK");
	expect(await outcome(kind, address, { ...good, serverName: `${serverName}.cluster.local` })).toBe("OK");
	expect(await outcome(kind, address, { ...good, serverName: "elsewhere.svc" })).toMatch(/^UNAVAILABLE/);
	const foreign = await other.sign("scaler", serverNames);
	expect(await outcome(kind, address, { ...good, ca: foreign.ca })).toMatch(/^UNAVAILABLE/);
});

withBothClients("34 with a client CA, only clients with its certificate come in", async (kind) => {
	const { address, clientCa, serverCa, server, client } = await mutualTls();
	const anonymous = { ca: server.ca, serverName };
	expect(await outcome(kind, address, { ...anonymous, cert: client.cert, key: client.key })).toBe("OK");
	expect(await outcome(kind, address, anonymous)).toMatch(/^UNAVAILABLE/);
	const foreign = await serverCa.sign("keda");
	expect(await outcome(kind, address, { ...anonymous, cert: foreign.cert, key: foreign.key })).toMatch(
		/^UNAVAILABLE/,
	);
	const expired = await clientCa.sign("keda", [], { days: -1 });
	expect(await outcome(kind, address, { ...anonymous, cert: expired.cert, key: expired.key })).toMatch(
		/^UNAVAILABLE/,
	);
});

test("34 ALPN is h2; TLS 1.1 and plaintext are turned away", async () => {
	const { address, server, client } = await mutualTls();
	const [host = "", port] = address.split(":");
	const options = {
		host,
		port: Number(port),
		servername: serverName,
		ca: readFileSync(server.ca),
		cert: readFileSync(client.cert),
		key: readFileSync(client.key),
		ALPNProtocols: ["h2"],
	};
	const socket = tls.connect(options);
	onTestFinished(() => void socket.destroy());
	await once(socket, "secureConnect");
	expect(socket.alpnProtocol).toBe("h2");
	const old = tls.connect({
		...options,
		minVersion: "TLSv1.1",
		maxVersion: "TLSv1.1",
		ciphers: "ALL:@SECLEVEL=0",
	});
	const [error] = await once(old, "error");
	expect(error.code).toMatch(/PROTOCOL_VERSION/);
	for (const kind of clientKinds) {
		const { outcome } = await connect(kind, address).call("IsActive", scaledObject(), { deadlineMs: 10_000 });
		expect(outcome).toMatch(/^(UNAVAILABLE|INTERNAL)/);
	}
});

/** Puts other certificates where the scaler's are. */
function replace(files: CertificateFiles, by: CertificateFiles): void {
	for (const name of ["cert", "key"] as const) copyFileSync(by[name], files[name]);
}

withBothClients("34 certificates are replaced without an end of any stream", async (kind) => {
	const { address, clock, say, openStreams, registry, serverCa, server, client } = await mutualTls();
	const nextCa = await TestCa.create();
	const next = await nextCa.sign("scaler", serverNames, { days: 7 });
	const endsInDays = async () => {
		const [, seconds] =
			/^buildkit_scaler_certificate_expires_seconds\{side="keda"\} (\d+)$/m.exec(await registry.metrics()) ??
			[];
		return Math.round((Number(seconds) - Date.now() / 1_000) / 86_400);
	};
	const before = await endsInDays();
	const withClient = { cert: client.cert, key: client.key, serverName };
	const keda = connect(kind, address, { tls: { ...withClient, ca: server.ca } });
	const streams = keda.streams("StreamIsActive", scaledObject(), 20);
	await streams.received(1);

	replace(server, next);
	clock.advance(5_000);
	expect([before === 7, await endsInDays()]).toEqual([false, 7]);
	expect(await outcome(kind, address, { ...withClient, ca: next.ca })).toBe("OK");
	expect(await outcome(kind, address, { ...withClient, ca: server.ca })).toMatch(/^UNAVAILABLE/);
	// Not half of what is there is used.
	writeFileSync(server.key, "no key");
	clock.advance(5_000);
	expect(await outcome(kind, address, { ...withClient, ca: next.ca })).toBe("OK");

	// The client CA is replaced too: its certificates come in no longer.
	const otherClient = await serverCa.sign("keda");
	copyFileSync(next.key, server.key);
	copyFileSync(otherClient.ca, client.ca);
	clock.advance(5_000);
	const withOther = { ...withClient, cert: otherClient.cert, key: otherClient.key };
	expect(await outcome(kind, address, { ...withOther, ca: next.ca })).toBe("OK");
	expect(await outcome(kind, address, { ...withClient, ca: next.ca })).toMatch(/^UNAVAILABLE/);

	say();
	say({ waiting: 1 });
	await streams.received(2);
	expect(openStreams()).toBe(20);
});

withBothClients("25 5,000 streams cancelled at once end no other on their connection (TLS)", async (kind) => {
	const { address, say, openStreams, server, client } = await mutualTls();
	say();
	const keda = connect(kind, address, {
		tls: { ca: server.ca, cert: client.cert, key: client.key, serverName },
	});
	const other = keda.streams("StreamIsActive", scaledObject({ pool: "other" }), 1);
	const streams = keda.streams("StreamIsActive", scaledObject(), 5_000);
	while (openStreams() !== 5_001) await keda.call("IsActive", scaledObject());
	streams.cancel();
	while (openStreams() !== 1) await keda.call("IsActive", scaledObject());
	say({ pool: "other", waiting: 1 });
	await other.received(1);
});
