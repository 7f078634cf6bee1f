import type { Bus } from "../events/bus.ts";

/**
 * Tells others on NATS what this replica says, for history, billing and `events tail`. Nothing here depends on it: a NATS
 * that is away keeps no build waiting.
 */
export function publishTo(nats: Bus, own: Bus, proxy: string): () => void {
	const stops = [
		own.subscribe((event) => {
			if (event.snapshot.proxy === proxy) nats.publish(event);
		}),
		nats.onAskForStates(() => own.askForStates()),
		nats.onStatus(({ t }) => {
			if (t === "connected") own.askForStates();
		}),
	];
	return () => {
		for (const stop of stops) stop();
	};
}
