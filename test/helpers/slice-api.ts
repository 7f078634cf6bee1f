import type { EndpointSliceApi, SliceList, WatchHandlers } from "../../kubernetes/endpoint-slice-watch.ts";

interface OpenWatch {
	readonly version: string;
	readonly handlers: WatchHandlers;
	readonly signal: AbortSignal;
	readonly end: () => void;
	readonly fail: (error: unknown) => void;
}

/** An API server whose every answer is the test's. */
export class TestSliceApi implements EndpointSliceApi {
	readonly lists: { resolve(list: SliceList): void; reject(error: unknown): void; signal: AbortSignal }[] =
		[];
	readonly watches: OpenWatch[] = [];

	list(signal: AbortSignal): Promise<SliceList> {
		const { promise, resolve, reject } = Promise.withResolvers<SliceList>();
		signal.addEventListener("abort", () => reject(signal.reason));
		this.lists.push({ resolve, reject, signal });
		return promise;
	}

	watch(version: string, handlers: WatchHandlers, signal: AbortSignal): Promise<void> {
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		this.watches.push({ version, handlers, signal, end: resolve, fail: reject });
		return promise;
	}
}
