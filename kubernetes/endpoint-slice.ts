import { z } from "zod";
import { ApiStatusError } from "./api-status-error.ts";

/** What is read of an EndpointSlice (discovery.k8s.io/v1). A slice without endpoints or ports has null for them. */
const endpointSchema = z.object({
	addresses: z.array(z.string()),
	hostname: z.string().nullish(),
	targetRef: z.object({ name: z.string().nullish(), uid: z.string().nullish() }).nullish(),
	conditions: z.object({ serving: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
});

const portSchema = z.object({
	name: z.string().nullish(),
	port: z.int().min(1).max(65_535).nullish(),
	protocol: z.string().nullish(),
});

const metadataSchema = z.object({ name: z.string().min(1), resourceVersion: z.string().min(1) });

const sliceSchema = z.object({
	metadata: metadataSchema,
	endpoints: z.array(endpointSchema).nullish(),
	ports: z.array(portSchema).nullish(),
});

export type EndpointSlice = z.infer<typeof sliceSchema>;
export type Endpoint = z.infer<typeof endpointSchema>;

/** What a watch tells, one line each. */
export type SliceEvent =
	| { readonly t: "put"; readonly slice: EndpointSlice; readonly version: string }
	| { readonly t: "deleted"; readonly name: string; readonly version: string }
	| { readonly t: "bookmark"; readonly version: string };

const statusSchema = z.object({ code: z.int().optional(), message: z.string().optional() });
const bookmarkSchema = z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) });

/** Throws for what is not an EndpointSlice. */
export function readSlice(object: unknown): EndpointSlice {
	return sliceSchema.parse(object);
}

/**
 * Undefined for a kind of event that Kubernetes may add one day. Throws for one that is not understood, and the
 * error that the server ends a watch with.
 */
export function readSliceEvent(type: string, object: unknown): SliceEvent | undefined {
	switch (type) {
		case "ADDED":
		case "MODIFIED": {
			const slice = readSlice(object);
			return { t: "put", slice, version: slice.metadata.resourceVersion };
		}
		case "DELETED": {
			const { metadata } = z.object({ metadata: metadataSchema }).parse(object);
			return { t: "deleted", name: metadata.name, version: metadata.resourceVersion };
		}
		case "BOOKMARK":
			return { t: "bookmark", version: bookmarkSchema.parse(object).metadata.resourceVersion };
		case "ERROR": {
			const { code = 500, message = "no reason given" } = statusSchema.parse(object);
			throw new ApiStatusError(code, message);
		}
		default:
			return undefined;
	}
}
