"""What a deployment folder holds and how it answers: `deploy.toml`, read and written."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.core.errors import InputError, RecipeError
from hornbook.core.files import write_text

FILE = "deploy.toml"


class Settings(BaseModel):
    """The content of `deploy.toml`. Folders are named relative to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="what clients call the model")
    model: str = Field(default="model", description="the model's folder")
    index: str = Field(default="", description="the folder of the index of the pages; empty for none")
    policy: str = Field(default="policy.toml", description="the safety policy")
    system: str = Field(default="", description="what the model is told before every conversation")
    temperature: float = Field(default=0.0, ge=0, le=2, description="unless the client says otherwise")
    max_tokens: int = Field(default=256, ge=1, description="of an answer, unless the client says otherwise")

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """The settings of a deployment. Raises InputError where there is none, RecipeError for a wrong key or value."""
        path = Path(folder) / FILE
        try:
            return cls(**tomllib.loads(path.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            raise InputError("there is no deployment here", where=folder, fix="make one: hornbook run RECIPE") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"not TOML ({error})", where=path, fix="make the deployment again") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            known = f"the keys are {', '.join(cls.model_fields)}"
            raise RecipeError(f"{key}: {first['msg'].lower()}", where=path, fix=known) from None

    def write(self, folder: Path) -> None:
        """Write `deploy.toml` into the folder."""
        import tomlkit

        unsaid = set() if self.system else {"system"}
        write_text(Path(folder) / FILE, tomlkit.dumps(self.model_dump(exclude=unsaid)))
