/** Who asks: apiserver's user.Info, and what is asked for: its authorizer.Attributes. */

export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** The one user of a request that showed no credentials. */
export const anonymous: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

/** What an authorizer is asked about: who, which verb, and a resource or a path (apiserver `authorizer.Attributes`). */
export type Attributes =
  | {
      readonly kind: 'resource';
      readonly user: UserInfo;
      /** get, list, watch, create, update, patch, delete, deletecollection, impersonate, bind, escalate, … */
      readonly verb: string;
      readonly group: string;
      readonly version: string;
      readonly resource: string;
      readonly subresource: string;
      /** Empty for cluster-scoped requests. */
      readonly namespace: string;
      /** Empty for collections. */
      readonly name: string;
      readonly fieldSelector?: string;
      readonly labelSelector?: string;
    }
  | { readonly kind: 'nonResource'; readonly user: UserInfo; readonly verb: string; readonly path: string };

/** `reason` goes into audit and into the 403; `noOpinion` lets the next authorizer speak. */
export interface Decision {
  readonly allowed: boolean;
  readonly denied?: boolean;
  readonly reason: string;
}

/** As authentication.k8s.io writes it in reviews, and audit.k8s.io in events. */
export function userInfoJson(user: UserInfo): object {
  return {
    username: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}
