"""How the rack is put together."""

from modules.rack.contract import NameTaken
from modules.rack.service import RackService

from armature import Module, Needs


def build(needs: Needs) -> Module:
    """Plain constructors."""
    return Module("rack", offers=[RackService()], constraints={"rack_name_taken": NameTaken})
