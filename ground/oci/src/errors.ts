import { defineErrors } from '@polyanthus/ground-base/errors';

export const ociErrors = defineErrors({
  TarNameTooLong: {
    meaning: 'A path does not fit into the tar header, not even split.',
    next: 'Use a shorter path in the image.',
  },
  ImageReferenceInvalid: {
    meaning: 'The name of an image does not say registry, repository and tag.',
    next: 'Write it whole: registry.example.org/team/polyanthus:1.0.',
  },
  AuthFileInvalid: {
    meaning: 'The file of registry credentials cannot be read.',
    next: 'Write it with docker, podman or skopeo login; credential helpers and identity tokens are not read.',
  },
  ImageNotInLayout: {
    meaning: 'The OCI layout has no such image, or a blob of it is damaged.',
    next: 'Give the name that the image was built with, or build it again.',
  },
  RegistryRefused: {
    meaning: 'The registry answered a push with an error.',
    next: 'Read what it says; a push that is run again goes on where this one ended.',
  },
  RegistryUnauthorized: {
    meaning: 'The registry, or its token service, does not let these credentials push.',
    next: 'Log in with the right to push to that repository and name the file with --auth-file.',
  },
  ImageTargetExists: {
    meaning: 'The folder to write the image layout to already exists and is no OCI layout.',
    next: 'Choose another folder, or remove that one.',
  },
});
