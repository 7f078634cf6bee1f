import { systemClock } from "../../common/clock.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { listBuilders, type Outcome, type Target } from "./build.ts";
import type { Client } from "./cells.ts";

/** For a user at a terminal. */
const answeredWithinSeconds = 1;
/** A machine may be busy with something else for a moment. */
const tries = 3;

/** Whether `buildx ls` is answered at once, and shows the node without alarm. */
export async function askSleepingPool(
	client: Client,
	target: Target,
	folder: string,
): Promise<{ readonly calm: boolean; readonly outcome: Outcome }> {
	for (let left = tries; ; left--) {
		const outcome = await listBuilders(client, target, folder);
		const node = outcome.output.split("\n").find((line) => line.includes("pool0")) ?? "";
		const calm = outcome.ok && /inactive/.test(node) && !/error|deadline/i.test(node);
		if (left === 1 || outcome.seconds <= answeredWithinSeconds) {
			return { calm: calm && outcome.seconds <= answeredWithinSeconds, outcome };
		}
	}
}

/** Counts the builds that proxies announce, as a scaler would, while `work` runs. */
export async function countAnnounced(natsUrl: string, work: () => Promise<void>): Promise<number> {
	const bus = new NatsBus({ url: natsUrl, name: "compat", clock: systemClock });
	let announced = 0;
	bus.subscribe(({ type }) => {
		if (type === "connection.opened") announced++;
	});
	try {
		await work();
	} finally {
		await bus.close();
	}
	return announced;
}
