// Point 27 of the list with the pings of real clients; grpc-go sends them every 10 s at most, so it takes a while.
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { ManualBus } from "../helpers/manual-bus.ts";
import { scaledObject, startTestScaler } from "../helpers/scaler.ts";
import { grpcGo } from "./go-client.ts";
import { grpcJs } from "./js-client.ts";
import { connect, endClientsAfterAll } from "./setup.ts";

endClientsAfterAll();

test("27 clients may ping all the time, also without a call [grpc-js, grpc-go]", async ({
	onTestFinished,
}) => {
	const { address, stop } = await startTestScaler({ bus: new ManualBus(), clock: systemClock });
	onTestFinished(stop);
	const pinging = async (withStream: boolean, go: boolean) => {
		const keda = go
			? connect(grpcGo, address, { pingMs: 10_000 })
			: connect(grpcJs, address, { pingMs: 100 });
		const call = async () => (await keda.call("IsActive", scaledObject())).outcome;
		expect(await call()).toMatch(/^(NOT_FOUND|UNAVAILABLE: the demand)/);
		const streams = withStream ? keda.streams("StreamIsActive", scaledObject(), 1) : undefined;
		// Servers with a policy end the connection, with ENHANCE_YOUR_CALM, at the third ping that is too early.
		await delay(go ? 31_000 : 2_000);
		expect(await call()).toMatch(/^(NOT_FOUND|UNAVAILABLE: the demand)/);
		const ended = await Promise.race([streams?.ended() ?? delay(0, "open"), delay(0, "open")]);
		expect(ended).toBe("open");
	};
	await Promise.all([pinging(false, false), pinging(true, false), pinging(false, true), pinging(true, true)]);
}, 60_000);
