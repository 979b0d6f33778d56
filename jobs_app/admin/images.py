"""A prompt's images in the admin: the field of a form, and where it uploads them and looks at them.

With scripts an image is uploaded as soon as it is added, so that what is wrong with it is said at
once and nothing that was typed is lost. Without, it comes with the form. Either way the form names
it by a signed token, so that nobody can name one of another session by its hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.views.decorators.http import require_POST, require_safe

from jobs_app import images
from jobs_app.models import Job
from sessions_app import image_files
from sessions_app.admin.base import BaseAdmin
from sessions_app.admin.images import picture
from sessions_app.display.html import EMPTY
from sessions_app.display.images import described
from sessions_app.image_files import ImageFile
from sessions_app.providers import pictures
from sessions_app.validation import sentences

NOT_OURS = "An image is not known here: add it again."
ACCEPTED = ",".join(sorted(pictures.TYPES))


@dataclass(frozen=True, slots=True)
class Posted:
    """What a form brings: tokens, hashes of those to leave out, and files."""

    tokens: str
    removed: Sequence[str]
    files: Sequence[UploadedFile]


class ImagesWidget(forms.Widget):
    template_name = "jobs_app/images.html"
    needs_multipart_form = True
    taken: Sequence[ImageFile] | None = None
    """What the field has accepted: a page that shows a mistake elsewhere keeps it."""

    class Media:
        css = {"all": ["jobs_app/images.css"]}
        js = [forms.Script("jobs_app/images.js", type="module")]

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Posted:
        removed = data.getlist(f"{name}-remove") if hasattr(data, "getlist") else []
        chosen = files.getlist(f"{name}-files") if files else []
        return Posted(str(data.get(name, "")), removed, chosen)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data and f"{name}-files" not in files

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        shown = [_shown(image) for image in (self.taken if self.taken is not None else value)]
        context["widget"] |= {
            "images": shown,
            "tokens": " ".join(image["token"] for image in shown),
            "upload": reverse("admin:jobs_app_job_images"),
            "accepted": ACCEPTED,
            "largest": image_files.LARGEST,
            "most": pictures.MOST,
        }
        return context


class ImagesField(forms.Field):
    """The images of a prompt, as a list of `ImageFile`."""

    widget = ImagesWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "label": "Images", **kwargs})

    def prepare_value(self, value: Any) -> list[ImageFile]:
        match value:
            case Posted():
                kept = _from_tokens(value.tokens)
                return [image for image in kept if image and image.hash not in value.removed]
            case str():  # of a page that was asked for with values
                return list(filter(None, _from_tokens(value)))
        return list(value or [])

    def clean(self, value: Any) -> list[ImageFile]:
        taken = self.prepare_value(value)
        refusals = [] if all(_from_tokens(value.tokens)) else [NOT_OURS]
        for number, file in enumerate(value.files, 1):
            try:
                taken.append(_stored(file))
            except ValidationError as refusal:
                refusals.append(f"Image {number} of {len(value.files)}: {sentences(refusal)}")
        self.widget.taken = list(dict.fromkeys(taken))
        if refusals:
            raise ValidationError(refusals)
        return self.widget.taken

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data.files) or self.prepare_value(initial) != self.prepare_value(data)


class ImagesMixin(BaseAdmin):
    """The pages of a job: whoever may queue a prompt may upload its images."""

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        upload = guard(require_POST(self.upload_view))
        look = guard(require_safe(self.image_view), cacheable=True)
        return [
            path("images/", upload, name="jobs_app_job_images"),
            path("images/<str:token>/", look, name="jobs_app_job_image"),
            *super().get_urls(),
        ]

    def has_run_permission(self, request: HttpRequest) -> bool:
        raise NotImplementedError

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Keep one image, `{"token": …}`, or say why not, `{"error": …}`."""
        if not self.has_run_permission(request):
            raise PermissionDenied
        try:
            return JsonResponse({"token": _token(_stored(request.FILES.get("image")))})
        except ValidationError as refusal:
            return JsonResponse({"error": sentences(refusal)}, status=400)

    def image_view(self, request: HttpRequest, token: str) -> HttpResponse:
        if not (self.has_run_permission(request) or self.has_view_permission(request)):
            raise PermissionDenied
        image = _from_token(token)
        if image is None:
            raise Http404
        try:
            return picture(image.type, image_files.read(image), image.hash)
        except ValidationError as refusal:
            raise Http404 from refusal

    def images(self, job: Job) -> str:
        """Those of a job that can no longer be edited."""
        found = map(_shown, images.of_job(job))
        return format_html_join(" ", LINK, found) or EMPTY


LINK = '<a class="job-image" href="{url}"><img src="{url}" alt="{words}"></a>'


def _shown(image: ImageFile) -> dict[str, str]:
    token = _token(image)
    told = pictures.attached(image.data())
    return {
        "token": token,
        "hash": image.hash,
        "url": reverse("admin:jobs_app_job_image", args=[token]),
        "words": described(told),
    }


def _stored(file: UploadedFile | None) -> ImageFile:
    if file is None:
        raise ValidationError("There is no image in this request.")
    return image_files.store(file.read(image_files.LARGEST + 1))


def _token(image: ImageFile) -> str:
    return signing.Signer(salt="image").sign_object([image.hash, image.type, image.size])


def _from_tokens(tokens: str) -> list[ImageFile | None]:
    """The images; None for each token that is none of ours. Far too many are not all read."""
    return [_from_token(token) for token in tokens.split()[: 10 * pictures.MOST]]


def _from_token(token: str) -> ImageFile | None:
    try:
        return ImageFile(*signing.Signer(salt="image").unsign_object(token))
    except signing.BadSignature:
        return None
