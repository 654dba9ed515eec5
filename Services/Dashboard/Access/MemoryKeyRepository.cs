using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;

namespace RagPlatform.Dashboard.Access;

/// <summary>Keeps the keys of data protection for as long as the process lives.</summary>
internal sealed class MemoryKeyRepository : IXmlRepository
{
    private readonly Lock _lock = new();
    private readonly List<XElement> _elements = [];

    public IReadOnlyCollection<XElement> GetAllElements()
    {
        lock (_lock)
        {
            return [.. _elements.Select(element => new XElement(element))];
        }
    }

    public void StoreElement(XElement element, string friendlyName)
    {
        lock (_lock)
        {
            _elements.Add(new XElement(element));
        }
    }
}
