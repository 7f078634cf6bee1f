// What the conformance list (test/conformance) does not ask of a scaler.
import { once } from "node:events";
import { copyFileSync } from "node:fs";
import net from "node:net";
import { Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/log.ts";
import { startScaler } from "../../scaler/scaler.ts";
import { grpcGo } from "../conformance/go-client.ts";
import {
	connect,
	endClientsAfterAll,
	scalerFor,
	syncedScaler,
	withBothClients,
} from "../conformance/setup.ts";
import { TestCa } from "../helpers/certificates.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { ManualBus } from "../helpers/manual-bus.ts";
import { ManualClock } from "../helpers/manual-clock.ts";
import { openUnreadStream } from "../helpers/raw-grpc.ts";
import { scaledObject } from "../helpers/scaler.ts";

endClientsAfterAll();

withBothClients("more streams than allowed end with an error, of either kind", async (kind) => {
	const { keda, say, opened } = await scalerFor(kind, { maxStreams: 2 });
	say();
	const spec = keda.streams("StreamMetricSpec", scaledObject(), 1);
	await spec.received(1);
	const active = keda.streams("StreamIsActive", scaledObject(), 1);
	await opened(1);
	for (const method of ["StreamIsActive", "StreamMetricSpec"] as const) {
		const [outcome] = await keda.streams(method, scaledObject(), 1).ended();
		expect(outcome).toBe("RESOURCE_EXHAUSTED: more than 2 streams");
	}
	active.cancel();
	await opened(0);
	keda.streams("StreamIsActive", scaledObject(), 1);
	await opened(1);
});

describe("start and stop", () => {
	const start = async (options: object) => {
		const deps = {
			bus: new ManualBus(),
			clock: new ManualClock(),
			log: createLogger("silent"),
			registry: new Registry(),
		};
		const failure = await startScaler({ listen: { host: "127.0.0.1", port: 0 }, ...options }, deps).then(
			() => undefined,
			(error: unknown) => error,
		);
		expect(deps.clock.pending).toBe(0);
		return failure;
	};

	test("an address in use is one clear error, and leaves nothing behind", async () => {
		const taken = net.createServer().listen(0, "127.0.0.1");
		await once(taken, "listening");
		onTestFinished(() => void taken.close());
		const { port } = taken.address() as net.AddressInfo;
		const ca = await TestCa.create();
		for (const tls of [undefined, await ca.sign("scaler")]) {
			expect(await start({ listen: { host: "127.0.0.1", port }, tls })).toMatchObject({
				code: "LISTEN_FAILED",
				message: `cannot listen on 127.0.0.1:${port}: the address is in use`,
			});
		}
	});

	test("wrong certificates are one clear error, and leave nothing behind", async () => {
		const ca = await TestCa.create();
		const { cert } = await ca.sign("scaler");
		const { key } = await ca.sign("other");
		expect(await start({ tls: { cert, key: "/nowhere.pem" } })).toMatchObject({ code: "CONFIG_INVALID" });
		expect(await start({ tls: { cert, key } })).toMatchObject({
			code: "CONFIG_INVALID",
			message: expect.stringContaining("do not fit together"),
		});
	});

	test("a stream that cannot end holds up the stop for the grace only", async () => {
		const { scaler, address, clock, say } = await syncedScaler({ stopGraceMs: 5_000 });
		say({ waiting: 1 });
		const { session } = await openUnreadStream(address);
		const stopped = scaler.stop();
		await once(session, "goaway");
		clock.advance(5_000);
		await stopped;
	});

	test("the command takes certificates, reads them again on SIGHUP, and says what is wrong with its flags", async () => {
		const ca = await TestCa.create();
		const { ca: caFile, cert, key } = await ca.sign("scaler", ["DNS:scaler.keda.svc"]);
		const common = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--nats", "nats://127.0.0.1:1"];
		const half = CliProcess.start("scaler", ...common, "--tls-client-ca", cert);
		expect(await half.exited).toBe(2);
		expect(half.output).toMatch(/^buildkit-scaler: --tls-cert and --tls-key are needed together/);

		const started = CliProcess.start("scaler", ...common, "--tls-cert", cert, "--tls-key", key);
		const [, port] = await started.line(/"port":(\d+).*"scaler ready"/);
		const keda = connect(grpcGo, `127.0.0.1:${port}`, {
			tls: { ca: caFile, serverName: "scaler.keda.svc" },
		});
		expect((await keda.call("IsActive", scaledObject())).outcome).toMatch(/^UNAVAILABLE: the demand of pool/);
		const next = await ca.sign("scaler", ["DNS:scaler.keda.svc"]);
		copyFileSync(next.cert, cert);
		copyFileSync(next.key, key);
		started.child.kill("SIGHUP");
		await started.line(/certificates reloaded/);
	});
});
