import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Authority, type CertificateFiles, createAuthority, writeCertificate } from "./x509.ts";

export type { CertificateFiles } from "./x509.ts";

const dayMs = 86_400_000;

/** A CA of one test, in a folder that goes with it. */
export class TestCa {
	readonly folder: string;
	readonly #authority: Authority = createAuthority("test CA");

	private constructor(folder: string) {
		this.folder = folder;
	}

	static async create(): Promise<TestCa> {
		const ca = new TestCa(mkdtempSync(join(tmpdir(), "bks-pki-")));
		onTestFinished(() => rmSync(ca.folder, { recursive: true }));
		return ca;
	}

	/** Signs a certificate; `names` are its subject alternative names, such as DNS:localhost or URI:spiffe://a/b. */
	async sign(
		commonName: string,
		names: readonly string[] = [],
		{ days = 2 }: { readonly days?: number } = {},
	): Promise<CertificateFiles> {
		const pair = this.#authority.issue({
			commonName,
			names: names.map((name) => name.replace(/^(DNS|IP|URI):/, "")),
			from: new Date(Date.now() - 2 * dayMs),
			until: new Date(Date.now() + days * dayMs),
		});
		return writeCertificate(mkdtempSync(join(this.folder, `${commonName}-`)), this.#authority, pair);
	}
}

/** The files' content, for Node's own TLS. */
export function pem({ ca, cert, key }: CertificateFiles): { ca: string; cert: string; key: string } {
	return { ca: readFileSync(ca, "utf8"), cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}
