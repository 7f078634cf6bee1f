/** What main.ts gives the worker, and what that answers. */
export interface FuzzOrder {
	readonly seed: number;
	readonly seconds: number;
}

export type FuzzReport =
	/** Comes every half second: silence means that an input a little after these hangs. */
	| { readonly t: "trying"; readonly law: string; readonly tried: number }
	| { readonly t: "held"; readonly law: string; readonly tried: number }
	| { readonly t: "note"; readonly text: string }
	| { readonly t: "failed"; readonly law: string; readonly details: string };
